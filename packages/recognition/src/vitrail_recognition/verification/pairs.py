"""Pairs of faces to verify, drawn from labelled ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitrail.errors import UsageError
from vitrail_recognition.verification.tenfold import FOLDS, contiguous

LISTED = 4_000_000
"""Up to here all pairs of strangers are listed; beyond, they are drawn until there are enough."""

Ints = NDArray[np.int64]


class Pairs(NamedTuple):
    """first, second: (P,) int64, faces; same: (P,) bool, whether they show one person."""

    first: Ints
    second: Ints
    same: NDArray[np.bool_]


def make_pairs(labels: ArrayLike, *, genuine: int, impostors: int, seed: int = 0) -> Pairs:
    """Distinct pairs, each kind drawn uniformly from all that there are; fewer where there are fewer.

    They come in ten parts that have their share of both kinds, as the 10-fold protocol wants. The parts share
    people. Raises UsageError where there is no pair of one of the kinds.
    """
    labels = np.asarray(labels, np.int64)
    rng = np.random.default_rng(seed)
    if genuine < 1 or impostors < 1:
        raise UsageError(
            f"{genuine} genuine and {impostors} impostor pairs were asked for; wanted are some of each."
        )
    one = _genuine(labels, genuine, rng)
    two = _impostors(labels, impostors, rng)
    parts = []
    for mine, theirs in zip(contiguous(len(one), FOLDS), contiguous(len(two), FOLDS), strict=True):
        parts += [(one[mine], True), (two[theirs], False)]
    pairs = np.concatenate([part for part, _ in parts])
    same = np.concatenate([np.full(len(part), kind) for part, kind in parts])
    return Pairs(pairs[:, 0].copy(), pairs[:, 1].copy(), same)


def _genuine(labels: Ints, count: int, rng: np.random.Generator) -> Ints:
    order = np.argsort(labels, kind="stable")
    _, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    totals = np.cumsum(sizes * (sizes - 1) // 2)
    if not len(totals) or not totals[-1]:
        raise UsageError("Nobody has two pictures; pairs of one person need somebody who has.")
    drawn = rng.choice(int(totals[-1]), min(count, int(totals[-1])), replace=False)
    owner = np.searchsorted(totals, drawn, side="right")
    before = np.concatenate([[0], totals])[owner]
    return order[starts[owner][:, None] + unrank(drawn - before)]


def _impostors(labels: Ints, count: int, rng: np.random.Generator) -> Ints:
    _, sizes = np.unique(labels, return_counts=True)
    total = len(labels) * (len(labels) - 1) // 2
    there = total - int((sizes * (sizes - 1) // 2).sum())
    if not there:
        raise UsageError("There is one person only; pairs of two people need a second one.")
    count = min(count, there)
    if total <= LISTED or 4 * count > there:
        found = _strangers(np.arange(total), labels)
        return unrank(rng.choice(found, count, replace=False))
    found = np.empty(0, np.int64)
    while len(found) < count:
        drawn = rng.integers(total, size=2 * (count - len(found)) + 64)
        found = np.unique(np.concatenate([found, _strangers(drawn, labels)]))
    return unrank(rng.permutation(found)[:count])


def _strangers(ranks: Ints, labels: Ints) -> Ints:
    pairs = labels[unrank(ranks)]
    return ranks[pairs[:, 0] != pairs[:, 1]]


def unrank(ranks: Ints) -> Ints:
    """0, 1, 2, 3, ... -> (0, 1), (0, 2), (1, 2), (0, 3), ...: all pairs i < j, (len(ranks), 2)."""
    second = ((1 + np.sqrt(1 + 8 * ranks.astype(np.float64))) / 2).astype(np.int64)
    # the square root may be off by one near a whole number
    second -= second * (second - 1) // 2 > ranks
    second += (second + 1) * second // 2 <= ranks
    return np.stack([ranks - second * (second - 1) // 2, second], axis=1)
