"""The compiled loops of cpu.py.

A key is read once: its row gives the logit, then, while all is still in the cache, its share of the gradients, which
are scaled down whenever a logit turns up that is larger than all before (the online softmax).
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numba import boolean, float32, float64, int64
from numba.types import Array

_options = {
    "nogil": True,
    "error_model": "numpy",  # without a test for zero in every division, which would keep loops from vectors
    "fastmath": {"reassoc", "contract", "nsz"},
}
_floats, _ints = Array(float32, 2, "C", readonly=True), Array(int64, 2, "C", readonly=True)
_virtual, _group = Array(float32, 3, "C", readonly=True), Array(int64, 1, "C", readonly=True)
_loss, _out = Array(float32, 1, "C"), Array(float32, 2, "C")
_TOGETHER = 32
_ONE = np.float32(1)


# Matrices are passed whole with the number of a row: a slice costs a count of its owners, which shows in such loops.
@numba.njit(**_options)
def _meet(mean, variance, i, other_mean, other_variance, row, ratio, inverse):
    """For rows a, s and b, t: ratio = (a - b) / (s + t), inverse = 1 / (s + t); returns sum (a - b)^2 / (s + t)."""
    total = np.float32(0)
    for j in range(mean.shape[1]):
        r = _ONE / (variance[i, j] + other_variance[row, j])
        difference = mean[i, j] - other_mean[row, j]
        u = difference * r
        inverse[j] = r
        ratio[j] = u
        total += difference * u
    return total


@numba.njit(**_options)
def _meet_virtual(mean, inverse, i, virtual_mean, g, k, ratio):
    """The same for a key of variance zero, for which `inverse` is the anchor's alone and is given."""
    total = np.float32(0)
    for j in range(mean.shape[1]):
        difference = mean[i, j] - virtual_mean[g, k, j]
        u = difference * inverse[j]
        ratio[j] = u
        total += difference * u
    return total


@numba.njit(**_options)
def _log_product(x, fours):
    """sum ln x, one logarithm for 32 numbers: products of four in float32, of eight such in float64."""
    n = fours.shape[0]
    for j in range(n):
        fours[j] = x[j] * x[j + n] * x[j + 2 * n] * x[j + 3 * n]
    m = n // 8
    total = 0.0
    for j in range(m):
        low = fours[j] * fours[j + m] * fours[j + 2 * m] * fours[j + 3 * m]
        total += math.log(low * fours[j + 4 * m] * fours[j + 5 * m] * fours[j + 6 * m] * fours[j + 7 * m])
    return total


@numba.njit(**_options)
def _take(logit, total, highest, ratio, inverse, ratios, excesses, i):
    """Add a key to the sums of anchor i; the new total and highest logit."""
    if logit > highest:
        fade = math.exp(highest - logit)
        factor = np.float32(fade)
        for j in range(ratios.shape[1]):
            ratios[i, j] *= factor
            excesses[i, j] *= factor
        total *= fade
        highest = logit
    share = math.exp(logit - highest)
    weight = np.float32(share)
    for j in range(ratios.shape[1]):
        u = ratio[j]
        ratios[i, j] += weight * u
        excesses[i, j] += weight * (u * u - inverse[j])
    return total + share, highest


@numba.njit(**_options)
def _finish(own, highest, total, scale, ratio, inverse, ratios, excesses, i):
    """From sums over the negatives, and ratio and inverse of the positive, to the gradients; returns the loss."""
    if total == 0.0:
        return 0.0
    ahead = highest + math.log(total) - own  # of all negatives before the positive
    small = math.exp(-abs(ahead))
    # 1 minus the positive's softmax, without cancellation
    others = (1.0 if ahead >= 0.0 else small) / (1.0 + small)
    factor, part = np.float32(scale * others), np.float32(1.0 / total)
    for j in range(ratios.shape[1]):
        u = ratio[j]
        ratios[i, j] = factor * (u - part * ratios[i, j])
        excesses[i, j] = np.float32(0.5) * factor * (part * excesses[i, j] - (u * u - inverse[j]))
    return max(ahead, 0.0) + math.log1p(small)


@numba.njit(
    (*[_floats] * 6, _virtual, _group, _ints, boolean, float64, int64, int64, _loss, _out, _out),
    cache=True,
    **_options,
)
def anchors(
    mean, variance, positive_mean, positive_variance, key_mean, key_variance, virtual_mean, group, index,
    shared, scale, first, last, loss, ratios, excesses,
):  # fmt: skip
    """Loss, and gradients by mean and by variance, of anchors first to last - 1. The gradients are zero on entry."""
    width = mean.shape[1]
    padded = -(-width // _TOGETHER) * _TOGETHER
    ratio, inverse = np.zeros(padded, np.float32), np.ones(padded, np.float32)
    fours = np.empty(padded // 4, np.float64)
    half = -0.5 * scale
    for i in range(first, last):
        g = group[i]
        line = g if shared else i
        total, highest = 0.0, -1e30
        if virtual_mean.shape[1] > 0:
            for j in range(width):
                inverse[j] = _ONE / variance[i, j]
            logs = -_log_product(inverse, fours)
        for k in range(virtual_mean.shape[1]):
            logit = half * (_meet_virtual(mean, inverse, i, virtual_mean, g, k, ratio) + logs)
            total, highest = _take(logit, total, highest, ratio, inverse, ratios, excesses, i)
        for k in range(index.shape[1]):
            square = _meet(mean, variance, i, key_mean, key_variance, index[line, k], ratio, inverse)
            logit = half * (square - _log_product(inverse, fours))
            total, highest = _take(logit, total, highest, ratio, inverse, ratios, excesses, i)
        square = _meet(mean, variance, i, positive_mean, positive_variance, g, ratio, inverse)
        own = half * (square - _log_product(inverse, fours))
        loss[i] = _finish(own, highest, total, scale, ratio, inverse, ratios, excesses, i)
