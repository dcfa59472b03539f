"""The compiled loop of cpu.py."""

from __future__ import annotations

import numba
import numpy as np
from numba import float32, float64, int64, void
from numba.types import Array

_floats, _labels = Array(float32, 2, "C", readonly=True), Array(int64, 1, "C", readonly=True)
_sums, _count = Array(float64, 2, "C"), Array(int64, 1, "C")
_ONE = np.float64(1)


@numba.njit(
    void(_floats, _floats, _labels, int64, int64, _sums, _sums, _count),
    cache=True,
    nogil=True,
    error_model="numpy",  # without a test for zero in every division, which would keep the loop from vectors
)
def add(mean, variance, labels, first, last, precision, weighted, count):
    """Add pixels first to last - 1 to the sums (C, D) and counts (C,) of their classes."""
    for p in range(first, last):
        c = labels[p]
        if c >= 0:
            count[c] += 1
            for j in range(mean.shape[1]):
                inverse = _ONE / variance[p, j]
                precision[c, j] += inverse
                weighted[c, j] += inverse * mean[p, j]
