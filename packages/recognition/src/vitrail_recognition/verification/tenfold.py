"""The 10-fold protocol of LFW and the sets that follow it, on squared distances d = |a - b|^2 = 2 - 2 cos of
unit vectors.

The folds are contiguous and not shuffled: .bin sets are in an order in which each fold has its share of both
kinds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitrail.errors import UsageError

FOLDS = 10
THRESHOLDS = np.arange(0, 4, 0.01)
FINE_THRESHOLDS = np.arange(0, 4, 0.001)


@dataclass(frozen=True, kw_only=True)
class TenFold:
    """accuracies, thresholds: (10,), one a fold; a threshold is the largest squared distance of one
    person."""

    accuracies: NDArray[np.float64]
    thresholds: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        return float(self.accuracies.mean())

    @property
    def std(self) -> float:
        """Over the folds, of the population (divided by 10)."""
        return float(self.accuracies.std())


@dataclass(frozen=True, kw_only=True)
class TarAtFar:
    """tars, fars: (10,), measured on the held-out folds; nan where a fold has no pair of that kind."""

    target: float
    tars: NDArray[np.float64]
    fars: NDArray[np.float64]
    thresholds: NDArray[np.float64]

    @property
    def tar(self) -> float:
        return float(np.nanmean(self.tars))

    @property
    def std(self) -> float:
        return float(np.nanstd(self.tars))

    @property
    def far(self) -> float:
        return float(np.nanmean(self.fars))


def squared_distances(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """(N, D) and (N, D), rows of length 1 -> (N,) squared Euclidean distances, 0 to 4."""
    return ((np.asarray(first, np.float64) - np.asarray(second, np.float64)) ** 2).sum(axis=1)


def tenfold_accuracy(
    distances: ArrayLike, same: ArrayLike, *, folds: int = FOLDS, thresholds: NDArray[Any] = THRESHOLDS
) -> TenFold:
    """Accuracy on each fold at the threshold that is best on the others, the first of equals; same iff d <
    threshold.

    distances: (N,); same: (N,) bool. Raises UsageError for fewer pairs than folds.
    """
    distances, same = _pairs(distances, same, folds)
    # right[t, k]: pairs of fold k that threshold t gets right; counting once gives all training sums
    sizes = np.array([part.stop - part.start for part in contiguous(len(same), folds)])
    right = np.empty((len(thresholds), folds), np.int64)
    for fold, part in enumerate(contiguous(len(same), folds)):
        accepted = _below(distances[part][same[part]], thresholds)
        wrongly = _below(distances[part][~same[part]], thresholds)
        right[:, fold] = accepted + (~same[part]).sum() - wrongly
    training = right.sum(axis=1, keepdims=True) - right
    # compared as accuracies are, by counts over one and the same number
    best = training.argmax(axis=0)
    accuracies = right[best, np.arange(folds)] / sizes
    return TenFold(accuracies=accuracies, thresholds=np.asarray(thresholds, np.float64)[best])


def tar_at_far(
    distances: ArrayLike,
    same: ArrayLike,
    far: float = 1e-3,
    *,
    folds: int = FOLDS,
    thresholds: NDArray[Any] = FINE_THRESHOLDS,
) -> TarAtFar:
    """True- and false-accept rates on each fold, at the threshold where the other folds have the false-accept
    rate `far`.

    That threshold is interpolated linearly between neighbours of different rates; it is 0, which accepts
    nobody, where no threshold reaches `far`.
    """
    if not 0 < far < 1:
        raise UsageError(f"A false-accept rate of {far:g} was asked for; wanted is one between 0 and 1.")
    distances, same = _pairs(distances, same, folds)
    if not same.any() or same.all():
        raise UsageError("All pairs are of one kind; wanted are pairs of one person and pairs of two.")
    chosen, tars, fars = np.empty(folds), np.full(folds, np.nan), np.full(folds, np.nan)
    for fold, part in enumerate(contiguous(len(same), folds)):
        held_out = np.zeros(len(same), bool)
        held_out[part] = True
        strangers = distances[~same & ~held_out]
        rates = _below(strangers, thresholds) / max(len(strangers), 1)
        chosen[fold] = _where_reached(rates, np.asarray(thresholds, np.float64), far)
        for kind, values in ((same, tars), (~same, fars)):
            tested = distances[kind & held_out]
            if len(tested):
                values[fold] = (tested < chosen[fold]).mean()
    return TarAtFar(target=far, tars=tars, fars=fars, thresholds=chosen)


def contiguous(count: int, folds: int) -> Iterator[slice]:
    """Slices of nearly equal lengths; the first ones are longer by one where it does not divide."""
    stop = 0
    for fold in range(folds):
        start, stop = stop, stop + count // folds + (fold < count % folds)
        yield slice(start, stop)


def _where_reached(rates: NDArray[np.float64], thresholds: NDArray[np.float64], far: float) -> float:
    """Rates rise with steps and plateaus; plateaus are reduced to their ends, which lie on either side of a
    step."""
    if rates[-1] < far:
        return 0.0
    below = int(np.searchsorted(rates, far, side="right")) - 1
    if below < 0 or rates[below] == far:
        return float(thresholds[max(below, 0)])
    share = (far - rates[below]) / (rates[below + 1] - rates[below])
    return float(thresholds[below] + share * (thresholds[below + 1] - thresholds[below]))


def _below(distances: NDArray[np.float64], thresholds: NDArray[Any]) -> NDArray[np.int64]:
    """How many distances lie below each threshold."""
    return np.searchsorted(np.sort(distances), thresholds, side="left")


def _pairs(
    distances: ArrayLike, same: ArrayLike, folds: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    distances, same = np.asarray(distances, np.float64), np.asarray(same, bool)
    if distances.ndim != 1 or distances.shape != same.shape:
        raise UsageError(
            f"There are distances {distances.shape} and truths {same.shape}; wanted is one each a pair."
        )
    if len(distances) < folds:
        raise UsageError(f"There are {len(distances)} pairs; wanted are at least {folds}, one for each fold.")
    if not np.isfinite(distances).all():
        raise UsageError("Some distances are not finite: the embeddings hold nan or infinity.")
    return distances, same
