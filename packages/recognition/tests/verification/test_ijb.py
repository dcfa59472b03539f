"""Templates and their pairs, against the golden and against loops."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.errors import UsageError
from vitrail_recognition.verification.ijb import pair_scores, template_features
from vitrail_recognition.verification.roc import roc_curve

GOLDEN = Path(__file__).parents[1] / "golden" / "recognition_golden.json"


def test_golden():
    golden = json.loads(GOLDEN.read_text())["ijb_template"]
    rng = np.random.RandomState(0)  # the golden numbers are from this generator
    centres = rng.randn(20, 16)
    features = centres[np.repeat(np.arange(20), 6)] + 1.2 * rng.randn(120, 16)
    detected = rng.rand(120).astype(np.float32)
    templates = template_features(
        features, np.repeat(np.arange(100, 140), 3), np.tile([1, 1, 2], 40), detected
    )
    assert templates.ids.tolist() == list(range(100, 140))
    np.testing.assert_allclose(templates.vectors[0, :4], golden["row0_first4"], atol=1e-6)
    first, second = np.triu_indices(40, 1)
    scores = pair_scores(templates, templates.ids[first], templates.ids[second])
    assert scores.sum() == pytest.approx(golden["score_sum"], abs=1e-6)
    curve = roc_curve(scores, first // 2 == second // 2)
    assert curve.tar_at([1e-3, 1e-2, 1e-1]) == pytest.approx(list(golden["tar"].values()))
    # what the default's rule is for: a point between two corners would give 0.70 at 1e-2
    assert roc_curve(scores, first // 2 == second // 2, corners=False).tar_at(1e-2) == pytest.approx(0.70)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_templates_as_described(seed, faces, templates, medias, weighted):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((faces, 8))
    owner, media = rng.integers(0, templates, faces) * 7 + 3, rng.integers(0, medias, faces)
    weights = rng.random(faces) + 0.1 if weighted else None
    before = features.copy()
    found = template_features(features, owner, media, weights)
    np.testing.assert_array_equal(features, before)  # the caller's array is left alone
    scaled = features * weights[:, None] if weighted else features
    assert found.ids.tolist() == sorted(set(owner.tolist()))
    for place, template in enumerate(found.ids):
        mine = owner == template
        total = sum(scaled[mine & (media == m)].mean(axis=0) for m in sorted(set(media[mine].tolist())))
        np.testing.assert_allclose(found.vectors[place], total / np.linalg.norm(total), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 100, 100_000])
def test_chunks_give_the_same_scores(chunk):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((50, 16)).astype(np.float32)
    templates = template_features(features, np.arange(50) * 3, np.zeros(50, int))
    first, second = rng.integers(0, 50, (2, 333)) * 3
    scores = pair_scores(templates, first, second, chunk=chunk)
    assert scores.dtype == np.float32
    expected = (templates.vectors @ templates.vectors.T)[first // 3, second // 3]
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_lengths_count():
    """A feature of twice the length has twice the say."""
    features = np.array([[2.0, 0.0], [0.0, 1.0]])
    vectors = template_features(features, [1, 1], [1, 2]).vectors
    np.testing.assert_allclose(vectors, [[2 / 5**0.5, 1 / 5**0.5]])


def test_what_does_not_fit():
    features = np.eye(3)
    with pytest.raises(UsageError, match=r"features \(3, 3\), 2 template ids"):
        template_features(features, [1, 2], [1, 2, 3])
    with pytest.raises(UsageError, match="template 5 sum to zero"):
        template_features(np.array([[1.0, 0], [1, 0], [-1, 0]]), [4, 5, 5], [1, 1, 2])
    with pytest.raises(UsageError, match=r"template 4 .*nan"):
        template_features(np.array([[np.nan, 0]]), [4], [1])
    templates = template_features(features, [1, 2, 9], [1, 1, 1])
    with pytest.raises(UsageError, match="no template 10"):
        pair_scores(templates, [1, 2], [2, 10])
    with pytest.raises(UsageError, match="no template 0"):
        pair_scores(templates, [0], [2])
    with pytest.raises(UsageError, match="wanted are pairs"):
        pair_scores(templates, [1, 2], [2])
