"""Whether a segmenter knows when it is wrong: are its probabilities true, and do its errors come out on top?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError

Values = NDArray[Any]


class Calibration:
    """How often pixels of a given confidence are right, over all pixels seen so far.

    counts, confidence, right: (bins,), pixels in each bin of confidence, the sum of their confidences, and how many of
    them are right. Bins are of one width, and hold their upper end.
    """

    def __init__(self, *, bins: int = 15, ignore: int = 255) -> None:
        if bins < 1:
            raise UsageError(f"bins is {bins}; wanted is at least 1.")
        self.bins, self.ignore = bins, ignore
        self.counts = np.zeros(bins, np.int64)
        self.confidence = np.zeros(bins, np.float64)
        self.right = np.zeros(bins, np.int64)

    def update(self, labels: Values, predictions: Values, confidence: Values) -> None:
        """One more picture: true labels and predictions, integers, and the probability that the prediction was given
        (0 to 1), all (H, W). Pixels whose label is `ignore` do not count."""
        _require_one_shape(labels, predictions, confidence)
        known = labels != self.ignore
        sure = np.asarray(confidence, np.float64)[known]
        place = np.clip(np.ceil(sure * self.bins).astype(np.intp) - 1, 0, self.bins - 1)
        self.counts += np.bincount(place, minlength=self.bins)
        self.confidence += np.bincount(place, weights=sure, minlength=self.bins)
        self.right += np.bincount(place[labels[known] == predictions[known]], minlength=self.bins)

    @property
    def error(self) -> float:
        """The expected calibration error (Naeini et al. 2015; Guo et al. 2017, Eq. 3): the mean over pixels of how far
        the accuracy of their bin is from its confidence. nan without pixels."""
        total = self.counts.sum()
        return float(np.abs(self.right - self.confidence).sum() / total) if total else float("nan")

    def rows(self) -> list[dict[str, float]]:
        """The reliability diagram as numbers, a row for each bin that has pixels."""
        return [
            {
                "from": k / self.bins,
                "to": (k + 1) / self.bins,
                "pixels": int(self.counts[k]),
                "confidence": float(self.confidence[k] / self.counts[k]),
                "accuracy": float(self.right[k] / self.counts[k]),
            }
            for k in np.flatnonzero(self.counts)
        ]


class ErrorRanking:
    """Whether pixels that a score calls doubtful are the wrong ones.

    The score is put into bins of one width between 0 and 1, so that scenes of any size can be counted; pixels of one
    bin count as ties.
    """

    def __init__(self, *, bins: int = 4096, ignore: int = 255) -> None:
        self.bins, self.ignore = bins, ignore
        self.wrong = np.zeros(bins, np.int64)
        self.right = np.zeros(bins, np.int64)

    def update(self, labels: Values, predictions: Values, doubt: Values) -> None:
        """One more picture: labels and predictions, and the score (0 to 1), higher where it doubts, all (H, W)."""
        _require_one_shape(labels, predictions, doubt)
        known = labels != self.ignore
        place = np.clip((doubt[known] * self.bins).astype(np.intp), 0, self.bins - 1)
        wrong = labels[known] != predictions[known]
        self.wrong += np.bincount(place[wrong], minlength=self.bins)
        self.right += np.bincount(place[~wrong], minlength=self.bins)

    @property
    def auroc(self) -> float:
        """The chance that a wrong pixel has a higher score than a right one; nan where either kind is missing."""
        wrong, right = int(self.wrong.sum()), int(self.right.sum())
        if not wrong or not right:
            return float("nan")
        below = np.cumsum(self.right) - self.right
        return float((self.wrong * (below + 0.5 * self.right)).sum() / (wrong * right))


def _require_one_shape(labels: Values, predictions: Values, scores: Values) -> None:
    if not labels.shape == predictions.shape == scores.shape:
        raise InputError(
            f"The labels are {labels.shape}, the predictions {predictions.shape} and the scores {scores.shape}; sizes "
            "must agree."
        )
