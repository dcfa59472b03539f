"""The obvious way to write the scan with numba: the loop of the formula, one row of the state after the other.

It is the rival of `scan_cpu.py`, and it is given a head start: the four routes are already gathered, the projection
to delta is already done, B and C already lie in the order of the loop, and nothing is merged afterwards.
"""

from __future__ import annotations

import math

import numba
import numpy as np


@numba.njit(parallel=True, fastmath=True)
def naive_scan(u, delta, A, B, C, D):
    """u, delta (KD, L); A (KD, N); B, C (K, L, N), shared by the KD / K rows of a group; D (KD,) -> y (KD, L)."""
    rows, length = u.shape
    states = A.shape[1]
    group = rows // B.shape[0]
    y = np.empty_like(u)
    for row in numba.prange(rows):
        k = row // group
        h = np.zeros(states, np.float32)
        for t in range(length):
            step = delta[row, t]
            drive = step * u[row, t]
            total = D[row] * u[row, t]
            for n in range(states):
                h[n] = math.exp(step * A[row, n]) * h[n] + drive * B[k, t, n]
                total += C[k, t, n] * h[n]
            y[row, t] = total
    return y
