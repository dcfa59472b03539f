"""Receiver operating characteristic of scores that are high for one person: how often strangers pass, at what
price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitrail.errors import UsageError

FARS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""The false-accept rates that IJB results are reported at."""


@dataclass(frozen=True, kw_only=True)
class Roc:
    """far, tar: (M,) float64, rising from (0, 0) to (1, 1). thresholds: (M,), falling; a pair is accepted
    from there on (score >= threshold), and the first one is infinity. genuine, impostors: how many pairs of
    each kind there were."""

    far: NDArray[np.float64]
    tar: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    genuine: int
    impostors: int

    @property
    def auc(self) -> float:
        return float((np.diff(self.far) * (self.tar[1:] + self.tar[:-1])).sum() / 2)

    def tar_at(
        self, fars: Sequence[float] | float, *, rule: Literal["nearest", "at most"] = "nearest"
    ) -> NDArray[np.float64]:
        """The true-accept rate at each false-accept rate, (len(fars),) float64.

        nearest: that of the curve's point with the nearest rate, of equals the one furthest along the curve,
        as IJB results are reported. at most: the largest whose false-accept rate is not above the one asked
        for.
        """
        wanted = np.atleast_1d(np.asarray(fars, np.float64))
        if rule == "at most":
            return self.tar[np.searchsorted(self.far, wanted, side="right") - 1]
        turned = self.far[::-1]  # argmin takes the first of equals
        return np.array([self.tar[::-1][np.abs(turned - far).argmin()] for far in wanted])


def roc_curve(scores: ArrayLike, same: ArrayLike, *, corners: bool = True) -> Roc:
    """The curve over all thresholds. scores: (P,), higher is more alike; same: (P,) bool.

    corners: leave out points on a straight line between their neighbours; they change neither the drawing nor
    the area, but which point is nearest. It is scikit-learn's default (drop_intermediate), hence also that of
    published IJB results.
    """
    scores, same = np.asarray(scores), np.asarray(same, bool)
    if scores.ndim != 1 or scores.shape != same.shape:
        raise UsageError(
            f"There are scores {scores.shape} and truths {same.shape}; wanted is one each a pair."
        )
    genuine, impostors = int(same.sum()), int((~same).sum())
    if not genuine or not impostors:
        raise UsageError(
            f"There are {genuine} pairs of one person and {impostors} of two; wanted are some of each."
        )
    if not np.isfinite(scores).all():
        raise UsageError("Some scores are not finite: the embeddings hold nan or infinity.")
    order = np.argsort(scores)[::-1]
    scores, same = scores[order], same[order]
    ends = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)
    accepted = np.cumsum(same, dtype=np.int64)[ends]
    wrongly = 1 + ends - accepted
    if corners and len(ends) > 2:
        bends = (np.diff(wrongly, 2) != 0) | (np.diff(accepted, 2) != 0)
        kept = np.flatnonzero(np.concatenate([[True], bends, [True]]))
        ends, accepted, wrongly = ends[kept], accepted[kept], wrongly[kept]
    return Roc(
        far=np.concatenate([[0.0], wrongly / impostors]),
        tar=np.concatenate([[0.0], accepted / genuine]),
        thresholds=np.concatenate([[np.inf], scores[ends].astype(np.float64)]),
        genuine=genuine,
        impostors=impostors,
    )
