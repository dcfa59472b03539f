"""The 10-fold protocol against its golden, a literal transcription of its description, and scipy's interpolation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.errors import UsageError
from vitrail_recognition.verification.tenfold import (
    FINE_THRESHOLDS,
    THRESHOLDS,
    contiguous,
    squared_distances,
    tar_at_far,
    tenfold_accuracy,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "recognition_golden.json"


def sample(count=600, noise=0.9, seed=0):
    """Unit vectors of pairs, the same people in every other thirty."""
    rng = np.random.RandomState(seed)  # the golden numbers are from this generator
    first, second = rng.randn(count, 32), rng.randn(count, 32)
    same = (np.arange(count) // 30) % 2 == 0
    second[same] = first[same] + noise * rng.randn(int(same.sum()), 32)
    first, second = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (first, second))
    return first, second, same


def test_golden():
    golden = json.loads(GOLDEN.read_text())["verification_10fold"]
    first, second, same = sample()
    distances = squared_distances(first, second)
    result = tenfold_accuracy(distances, same)
    assert result.accuracy == pytest.approx(golden["acc"], abs=1e-6)
    assert result.std == pytest.approx(golden["std"], abs=1e-6)
    np.testing.assert_allclose(result.accuracies, golden["folds"], atol=5e-5)
    assert distances[same].mean() == pytest.approx(golden["mean_dist_same"], abs=1e-6)
    assert distances[~same].mean() == pytest.approx(golden["mean_dist_diff"], abs=1e-6)


def test_distances_are_twice_one_minus_the_cosine():
    first, second, _ = sample(60)
    np.testing.assert_allclose(
        squared_distances(first, second), 2 - 2 * (first * second).sum(axis=1), atol=1e-12
    )


def folds_of(count):
    """Training and test indices of ten folds."""
    parts = np.array_split(np.arange(count), 10)
    return [(np.setdiff1d(np.arange(count), part), part) for part in parts]


@pytest.fixture(scope="module")
def interpolate():
    return pytest.importorskip("scipy.interpolate")


def plain_accuracy(distances, same):
    """The description word by word."""
    accuracies, thresholds = [], []
    for train, test in folds_of(len(same)):
        best, threshold = -1.0, 0.0
        for candidate in THRESHOLDS:
            accuracy = np.mean((distances[train] < candidate) == same[train])
            if accuracy > best:
                best, threshold = accuracy, candidate
        thresholds.append(threshold)
        accuracies.append(np.mean((distances[test] < threshold) == same[test]))
    return accuracies, thresholds


pairs = st.integers(10, 75).flatmap(
    lambda count: st.tuples(
        # multiples of a threshold's step included, where < and <= differ
        st.lists(
            st.one_of(st.floats(0, 4), st.integers(0, 399).map(lambda n: THRESHOLDS[n])),
            min_size=count,
            max_size=count,
        ),
        st.lists(st.booleans(), min_size=count, max_size=count),
    )
)


@settings(max_examples=25, deadline=None)
@given(pairs)
def test_accuracy_as_described(drawn):
    distances, same = np.array(drawn[0]), np.array(drawn[1])
    result = tenfold_accuracy(distances, same)
    accuracies, thresholds = plain_accuracy(distances, same)
    np.testing.assert_allclose(result.thresholds, thresholds)
    np.testing.assert_allclose(result.accuracies, accuracies)


@settings(max_examples=25, deadline=None)
@given(pairs, st.sampled_from([0.01, 0.1, 0.25, 0.5]))
def test_tar_at_far_as_described(interpolate, drawn, far):
    """Where rates have plateaus, a spline of order 1 with repeated knots is what scipy's 'slinear' once was."""
    distances, same = np.array(drawn[0]), np.array(drawn[1])
    if same.all() or not same.any():
        return
    result = tar_at_far(distances, same, far)
    for fold, (train, test) in enumerate(folds_of(len(same))):
        strangers = distances[train][~same[train]]
        rates = (strangers < FINE_THRESHOLDS[:, None]).sum(axis=1) / max(len(strangers), 1)
        expected = 0.0
        if rates.max() >= far:
            spline = interpolate.BSpline(np.concatenate([rates[:1], rates, rates[-1:]]), FINE_THRESHOLDS, 1)
            expected = float(spline(far)) if rates.max() > far else result.thresholds[fold]
        assert result.thresholds[fold] == pytest.approx(expected, abs=1e-9)
        for kind, found in ((same, result.tars), (~same, result.fars)):
            tested = distances[test][kind[test]]
            if len(tested):
                assert found[fold] == (tested < result.thresholds[fold]).mean()
            else:
                assert np.isnan(found[fold])


def test_the_rate_is_kept_on_many_pairs():
    rng = np.random.default_rng(0)
    same = np.arange(40_000) % 2 == 0
    distances = np.where(same, rng.uniform(0, 2, 40_000), rng.uniform(1, 3, 40_000))
    result = tar_at_far(distances, same, 1e-2)
    assert result.far == pytest.approx(1e-2, rel=0.1)
    np.testing.assert_allclose(result.thresholds, 1.02, atol=0.005)
    assert result.tar == pytest.approx(0.51, abs=0.01)


def test_nobody_passes_where_the_rate_is_not_reached():
    same = np.arange(40) % 2 == 0
    result = tar_at_far(np.where(same, 3.9, 3.9995), same, 0.5)
    assert result.thresholds.tolist() == [0] * 10
    assert result.tar == 0


def test_folds_are_those_of_scikit_learn():
    selection = pytest.importorskip("sklearn.model_selection")
    for count in (10, 11, 19, 600, 6007):
        found = [np.arange(count)[part] for part in contiguous(count, 10)]
        expected = selection.KFold(10, shuffle=False).split(np.zeros(count))
        for mine, (_, theirs) in zip(found, expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_what_cannot_be_measured():
    same = np.arange(10) % 2 == 0
    for call in (tenfold_accuracy, tar_at_far):
        with pytest.raises(UsageError, match="9 pairs; wanted are at least 10"):
            call(np.zeros(9), same[:9])
        with pytest.raises(UsageError, match="not finite"):
            call(np.full(10, np.nan), same)
        with pytest.raises(UsageError, match="one each a pair"):
            call(np.zeros(10), same[:9])
    with pytest.raises(UsageError, match="All pairs are of one kind"):
        tar_at_far(np.zeros(10), np.ones(10, bool))
    with pytest.raises(UsageError, match="rate of 2"):
        tar_at_far(np.zeros(10), same, 2)
