"""The compiled loops of cpu.py.

The d channels of a direction are cut into blocks of 16 lanes, and one call is one block of one direction of one
image. A chunk of T steps is copied along the route into small arrays that stay in the first-level cache; there the
loop over the states n is outside and the loop over the steps inside, so that the state of 16 channels is one
register and the forward pass sums nothing across lanes.

numba's cache is renewed when this file changes, not when cpu_lanes.py does.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import boolean, float32, int64
from numba.types import Array

from vitrail_cmunet.kernels.selective_scan.cpu_lanes import (
    LANES,
    exp2,
    load,
    log1p,
    splat,
    spread,
    store,
    totals,
    transpose,
    where_negative,
)

_LOG2E = np.float32(np.log2(np.e))
_LN2 = np.float32(np.log(2.0))
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)

_matrix, _tensor = Array(float32, 2, "C"), Array(float32, 3, "C")
_SIZES = (int64,) * 7 + (boolean,)
_INPUTS = (_matrix, _matrix, _matrix, _matrix, _matrix, _matrix)


def _helper(function):
    return numba.njit(function, nogil=True, error_model="numpy")


def _kernel(*signature):
    return numba.njit(signature, cache=True, nogil=True, error_model="numpy")


@_helper
def _pixel(direction, step, height, width):
    """The pixel that route `direction` visits at `step` (reference.routes)."""
    if direction >= 2:
        step = height * width - 1 - step
    if direction % 2 == 1:
        return (step % height) * width + step // height
    return step


@_helper
def _gather(direction, first, steps, height, width, x, features, lane, u, row, pixels):
    """Copy a chunk along its route: u (T, 16) and the direction's own features, row (T, R + 2 N)."""
    length = features.shape[1] // 4
    column = direction * length
    whole = length - length % LANES
    for t in range(steps):
        pixel = _pixel(direction, first + t, height, width)
        pixels[t] = pixel
        store(u, t, 0, load(x, pixel, lane))
        for i in range(0, whole, LANES):
            store(row, t, i, load(features, pixel, column + i))
        for i in range(whole, length):
            row[t, i] = features[pixel, column + i]


@_helper
def _scatter(row, t, features, pixel, direction):
    """The reverse of _gather for the features of one step."""
    length = features.shape[1] // 4
    column = direction * length
    whole = length - length % LANES
    for i in range(0, whole, LANES):
        store(features, pixel, column + i, load(row, t, i))
    for i in range(whole, length):
        features[pixel, column + i] = row[t, i]


@_helper
def _put(steps, values, pixels, lane, add, image):
    """values (T, 16) to the 16 columns of their pixels. A loop of its own, so that adding rounds nothing else."""
    for t in range(steps):
        value = load(values, t, 0)
        store(image, pixels[t], lane, load(image, pixels[t], lane) + value if add else value)


@_helper
def _project(steps, lane, row, weight, bias, v, delta):
    """v = dt W + bias and delta = softplus(v) = log(1 + exp(v)), both (T, 16)."""
    for t in range(steps):
        value = load(bias, 0, lane)
        for r in range(weight.shape[0]):
            value = value + spread(row, t, r) * load(weight, r, lane)
        store(v, t, 0, value)
        zero = splat(_ZERO)
        e = exp2(where_negative(value, value, zero - value) * splat(_LOG2E))
        store(delta, t, 0, where_negative(value, zero, value) + log1p(e))


@_helper
def _sigmoid(value):
    zero, one = splat(_ZERO), splat(_ONE)
    e = exp2(where_negative(value, value, zero - value) * splat(_LOG2E))
    return where_negative(value, e, one) / (one + e)


@_kernel(*_SIZES, *_INPUTS, _matrix, _tensor)
def scan_forward(
    direction, height, width, chunk, lane, low, high, add, x, features, weight, bias, A2, D, y, entries
):  # fmt: skip
    """The 16 channels from `lane` on, along one route; the states low..high only.

    x (L, d), features (L, 4 (R + 2 N)), weight (R, d), bias (1, d), A2 (N, d) = A log2(e), D (1, d).
    Writes y (L, d), or adds to it, and entries (chunks, N, d), the state before each chunk.
    """
    rank, states_n = weight.shape[0], A2.shape[0]
    u, v = np.empty((chunk, LANES), np.float32), np.empty((chunk, LANES), np.float32)
    delta, drive, out = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    row, pixels = np.empty((chunk, features.shape[1] // 4), np.float32), np.empty(chunk, np.int64)
    state = np.zeros((high - low, LANES), np.float32)

    for c in range(entries.shape[0]):
        first = c * chunk
        steps = min(chunk, height * width - first)
        _gather(direction, first, steps, height, width, x, features, lane, u, row, pixels)
        _project(steps, lane, row, weight, bias, v, delta)
        for t in range(steps):
            store(out, t, 0, load(D, 0, lane) * load(u, t, 0))
            store(drive, t, 0, load(delta, t, 0) * load(u, t, 0))
        for n in range(low, high):
            A, h = load(A2, n, lane), load(state, n - low, 0)
            store(entries[c], n, lane, h)
            for t in range(steps):
                h = exp2(load(delta, t, 0) * A) * h + load(drive, t, 0) * spread(row, t, rank + n)
                store(out, t, 0, load(out, t, 0) + spread(row, t, rank + states_n + n) * h)
            store(state, n - low, 0, h)
        _put(steps, out, pixels, lane, add, y)


@_kernel(*_SIZES, *_INPUTS, _matrix, _tensor, _matrix, _matrix, _matrix, _matrix, _matrix, _matrix)
def scan_backward(
    direction, height, width, chunk, lane, low, high, add, x, features, weight, bias, A2, D, dy, entries,
    dx, dfeatures, dweight, dbias, dA, dD,
):  # fmt: skip
    """The gradients of `scan_forward` for dy (L, d): chunks from last to first, states recomputed from `entries`.

    Writes dx (L, d) in the 16 columns, or adds to it, and dfeatures (L, 4 (R + 2 N)) in the direction's columns;
    dweight (R, d), dbias (1, d), dA (N, d) and dD (1, d) in the 16 columns. Formulas: reference.py.
    """
    rank, states_n = weight.shape[0], A2.shape[0]
    padded = (chunk + LANES - 1) // LANES * LANES  # inner products are taken 16 steps at a time
    u, v = np.empty((chunk, LANES), np.float32), np.empty((chunk, LANES), np.float32)
    delta, gB, gqA = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    drive, dout = np.zeros((padded, LANES), np.float32), np.zeros((padded, LANES), np.float32)
    decays, states, g_all = np.empty_like(u), np.zeros((padded + 1, LANES), np.float32), np.zeros_like(drive)
    row, pixels = np.empty((chunk, features.shape[1] // 4), np.float32), np.empty(chunk, np.int64)
    drow = np.zeros((padded, row.shape[1] + LANES), np.float32)
    weight_t = np.zeros((weight.shape[1], rank + LANES), np.float32)
    weight_t[:, :rank] = weight.T
    after = states[1:]
    rows = (high - low + LANES - 1) // LANES * LANES
    dB, dC = np.zeros((rows, padded), np.float32), np.zeros((rows, padded), np.float32)
    gradient = np.zeros((high - low, LANES), np.float32)
    zero = splat(_ZERO)
    bias_sum, skip_sum = zero, zero
    for r in range(rank):
        store(dweight, r, lane, zero)
    for n in range(low, high):
        store(dA, n, lane, zero)

    for c in range(entries.shape[0] - 1, -1, -1):
        first = c * chunk
        steps = min(chunk, height * width - first)
        _gather(direction, first, steps, height, width, x, features, lane, u, row, pixels)
        _project(steps, lane, row, weight, bias, v, delta)
        for t in range(steps):
            store(dout, t, 0, load(dy, pixels[t], lane))
            store(drive, t, 0, load(delta, t, 0) * load(u, t, 0))
            store(gB, t, 0, zero)
            store(gqA, t, 0, zero)
        for n in range(low, high):
            A, h = load(A2, n, lane), load(entries[c], n, lane)
            store(states, 0, 0, h)
            for t in range(steps):
                a = exp2(load(delta, t, 0) * A)
                h = a * h + load(drive, t, 0) * spread(row, t, rank + n)
                store(decays, t, 0, a)
                store(states, t + 1, 0, h)
            g, A_sum = load(gradient, n - low, 0), load(dA, n, lane)
            for back in range(steps):
                t = steps - 1 - back
                g = g + spread(row, t, rank + states_n + n) * load(dout, t, 0)
                store(g_all, t, 0, g)
                store(gB, t, 0, load(gB, t, 0) + g * spread(row, t, rank + n))
                g = g * load(decays, t, 0)
                gq = g * load(states, t, 0)
                store(gqA, t, 0, load(gqA, t, 0) + gq * A)
                A_sum = A_sum + gq * load(delta, t, 0)
            for t in range(0, steps, LANES):
                store(dB, n - low, t, totals(g_all, drive, t))
                store(dC, n - low, t, totals(after, dout, t))
            store(gradient, n - low, 0, g)
            store(dA, n, lane, A_sum)
        for t in range(steps):
            ddelta = load(u, t, 0) * load(gB, t, 0) + splat(_LN2) * load(gqA, t, 0)
            ddt = ddelta * _sigmoid(load(v, t, 0))
            bias_sum = bias_sum + ddt
            skip_sum = skip_sum + load(u, t, 0) * load(dout, t, 0)
            store(u, t, 0, load(D, 0, lane) * load(dout, t, 0) + load(delta, t, 0) * load(gB, t, 0))
            store(v, t, 0, ddt)
            for r in range(rank):
                store(dweight, r, lane, load(dweight, r, lane) + ddt * spread(row, t, r))
            for r in range(0, rank, LANES):
                even, odd = zero, zero
                for j in range(0, LANES, 2):
                    even = even + spread(v, t, j) * load(weight_t, lane + j, r)
                    odd = odd + spread(v, t, j + 1) * load(weight_t, lane + j + 1, r)
                store(drow, t, r, even + odd)
        # In this order, for sixteen columns are written at a time: what runs over is overwritten by the next.
        for matrix, column in ((dB, rank + low), (dC, rank + states_n + low)):
            for n in range(0, high - low, LANES):
                for t in range(0, steps, LANES):
                    transpose(matrix, n, t, drow, t, column + n)
        for t in range(steps):
            _scatter(drow, t, dfeatures, pixels[t], direction)
        _put(steps, u, pixels, lane, add, dx)
    store(dbias, 0, lane, bias_sum)
    store(dD, 0, lane, skip_sum)
