"""Calibration, and the ranking of errors."""

from __future__ import annotations

import numpy as np
import pytest

from vitrail.errors import InputError, UsageError
from vitrail_segmentation.calibration import Calibration, ErrorRanking


def pixels(count=20_000, seed=0):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.3, 1, (count // 100, 100))
    labels = rng.integers(0, 4, confidence.shape)
    right = rng.random(confidence.shape) < confidence
    return labels, np.where(right, labels, (labels + 1) % 4), confidence


def test_it_is_the_formula_over_bins():
    labels, predictions, confidence = pixels()
    predictions[confidence > 0.8] = (labels[confidence > 0.8] + 2) % 4
    found = Calibration(bins=10)
    for part in range(0, 200, 50):
        rows = slice(part, part + 50)
        found.update(labels[rows], predictions[rows], confidence[rows])
    right, wanted = labels == predictions, 0.0
    for k in range(10):
        inside = (confidence > k / 10) & (confidence <= (k + 1) / 10)
        if inside.any():
            wanted += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert found.error == pytest.approx(wanted, rel=1e-9)
    assert sum(row["pixels"] for row in found.rows()) == labels.size
    assert found.rows()[-1]["accuracy"] == 0


def test_probabilities_that_are_true_have_hardly_an_error():
    found = Calibration()
    found.update(*pixels())
    assert found.error < 0.02


def test_ends_ignored_pixels_and_nothing():
    found = Calibration(bins=4)
    assert np.isnan(found.error)
    assert found.rows() == []
    found.update(np.array([[0, 1, 255]]), np.array([[0, 0, 0]]), np.array([[0.0, 1.0, 0.9]]))
    assert found.counts.tolist() == [1, 0, 0, 1]
    assert found.error == pytest.approx(1.0)


def test_ranking_is_the_area_under_the_curve():
    metrics = pytest.importorskip("sklearn.metrics")
    labels, predictions, confidence = pixels()
    doubt = np.floor((1 - confidence) * 4096) / 4096
    found = ErrorRanking()
    found.update(labels[:90], predictions[:90], doubt[:90])
    found.update(labels[90:], predictions[90:], doubt[90:])
    wrong = labels != predictions
    assert found.auroc == pytest.approx(metrics.roc_auc_score(wrong.ravel(), doubt.ravel()), abs=1e-12)


def test_a_score_that_knows_and_one_that_does_not():
    labels, predictions, _ = pixels()
    wrong = (labels != predictions).astype(float)
    for doubt, wanted in ((wrong, 1.0), (1 - wrong, 0.0), (np.full_like(wrong, 0.5), 0.5)):
        found = ErrorRanking()
        found.update(labels, predictions, doubt)
        assert found.auroc == wanted
    assert np.isnan(ErrorRanking().auroc)


def test_other_shapes_and_no_bins_are_refused():
    with pytest.raises(InputError, match="sizes must agree"):
        Calibration().update(np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 3)))
    with pytest.raises(UsageError, match="bins is 0"):
        Calibration(bins=0)
