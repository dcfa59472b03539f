"""ROC against scikit-learn, and the rules by which one number is read off it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.errors import UsageError
from vitrail_recognition.verification.roc import FARS, roc_curve


@pytest.fixture(scope="module")
def metrics():
    return pytest.importorskip("sklearn.metrics")


scored = st.lists(
    st.tuples(st.one_of(st.integers(-3, 3).map(float), st.floats(-1, 1, width=32)), st.booleans()),
    min_size=2,
    max_size=60,
).filter(lambda rows: len({same for _, same in rows}) == 2)


@settings(deadline=None)
@given(scored, st.booleans())
def test_it_is_scikit_learn_s(metrics, rows, corners):
    scores, same = np.array([s for s, _ in rows]), np.array([t for _, t in rows])
    mine = roc_curve(scores, same, corners=corners)
    far, tar, thresholds = metrics.roc_curve(same, scores, drop_intermediate=corners)
    np.testing.assert_array_equal(mine.far, far)
    np.testing.assert_array_equal(mine.tar, tar)
    np.testing.assert_array_equal(mine.thresholds, thresholds)
    assert mine.auc == pytest.approx(metrics.roc_auc_score(same, scores), abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_on_many_pairs(metrics, dtype):
    rng = np.random.default_rng(0)
    same = rng.random(200_000) < 0.01
    scores = (rng.standard_normal(200_000) + 2.5 * same).astype(dtype)
    mine = roc_curve(scores, same)
    far, tar, thresholds = metrics.roc_curve(same, scores)
    np.testing.assert_array_equal(mine.far, far)
    np.testing.assert_array_equal(mine.tar, tar)
    np.testing.assert_array_equal(mine.thresholds[1:], thresholds[1:])
    assert (mine.genuine, mine.impostors) == (same.sum(), (~same).sum())


def nearest(far, tar, wanted):
    """The rule as IJB's scripts have it: over reversed arrays, the first smallest difference."""
    far, tar = np.flipud(far), np.flipud(tar)
    found = []
    for value in wanted:
        _, index = min(zip(abs(far - value), range(len(far)), strict=True))
        found.append(tar[index])
    return found


@settings(deadline=None)
@given(
    scored, st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.25, 0.5, 0.125])), min_size=1, max_size=4)
)
def test_the_nearest_point(rows, wanted):
    curve = roc_curve(np.array([s for s, _ in rows]), np.array([t for _, t in rows]))
    assert curve.tar_at(wanted).tolist() == nearest(curve.far, curve.tar, wanted)


@settings(deadline=None)
@given(scored, st.floats(0, 1))
def test_at_most(rows, far):
    scores, same = np.array([s for s, _ in rows]), np.array([t for _, t in rows])
    curve = roc_curve(scores, same, corners=False)
    allowed = [0.0] + [(scores[same] >= t).mean() for t in scores if (scores[~same] >= t).mean() <= far]
    assert curve.tar_at(far, rule="at most").tolist() == [max(allowed)]


def test_ties_take_the_largest_rate():
    curve = roc_curve(np.array([4, 3, 2, 1]), np.array([True, False, True, False]))
    assert curve.far.tolist() == [0, 0, 0.5, 0.5, 1]
    assert curve.tar.tolist() == [0, 0.5, 0.5, 1, 1]
    assert curve.tar_at([0.25, 0.5]).tolist() == [1, 1]
    assert curve.tar_at(0).tolist() == [0.5]
    assert curve.auc == 0.75


def test_rates_of_ijb():
    assert FARS == (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


def test_what_cannot_be_drawn():
    with pytest.raises(UsageError, match="2 pairs of one person and 0 of two"):
        roc_curve([1, 2], [True, True])
    with pytest.raises(UsageError, match="one each a pair"):
        roc_curve([1, 2], [True])
    with pytest.raises(UsageError, match="not finite"):
        roc_curve([1, np.nan], [True, False])


def test_names_are_there():
    from vitrail_recognition import verification

    for name in dir(verification):
        assert getattr(verification, name).__name__ == name
    with pytest.raises(AttributeError, match="'nothing'"):
        verification.nothing  # noqa: B018
