"""Triton kernels of the cross-scan's gradient: deterministic, no atomics, states recomputed tile by tile.

    grad_local   for each chunk alone, backwards: the gradient it would pass to the chunk before
    carry        (of triton_forward, reversed): the gradient that really enters each chunk from behind
    grad_apply   each chunk again: recomputes its states from the saved one, then all gradients

A chunk is one tile here, so that its states and their gradients are registers.
"""

from __future__ import annotations

import triton
import triton.language as tl

from vitrail_cmunet.kernels.selective_scan.triton_forward import (
    LN2,
    LOG2E,
    _compose,
    _decay_rates,
    _delta,
    _pixels,
    _rows,
)


@triton.jit
def grad_local(
    dy, features, dt_weight, dt_bias, A_log, sums, local,
    height, width, d, chunks,
    R: tl.constexpr, N: tl.constexpr, RP: tl.constexpr, NP: tl.constexpr, BD: tl.constexpr,
    T: tl.constexpr,
):  # fmt: skip
    """sums (B, 4, chunks, d) and local (B, 4, chunks, N, d); grid (chunks, 4 B, blocks of channels)."""
    chunk, sequence = tl.program_id(0), tl.program_id(1)
    direction, batch = sequence % 4, (sequence // 4).to(tl.int64)
    length, row_length = height * width, 4 * (R + 2 * N)
    first = direction * (R + 2 * N)
    channels, n, r = tl.program_id(2) * BD + tl.arange(0, BD), tl.arange(0, NP), tl.arange(0, RP)
    dy += batch * length * d
    features += batch * length * row_length
    rates = _decay_rates(A_log, direction, n, channels, N, d)
    weight = tl.trans(_rows(dt_weight, direction * d + channels, channels < d, 0, r, R, R))
    bias = tl.load(dt_bias + direction * d + channels, mask=channels < d, other=0.0).to(tl.float32)

    steps = chunk * T + tl.arange(0, T)
    valid = steps < length
    pixels = _pixels(direction, steps, height, width)
    dy_t = _rows(dy, pixels, valid, 0, channels, d, d)
    C = _rows(features, pixels, valid, first + R + N, n, N, row_length)
    delta, _, _ = _delta(features, pixels, valid, first, weight, bias, r, R, row_length)
    weights = tl.exp2(tl.cumsum(delta, axis=0)[:, None, :] * rates[None, :, :])
    g = tl.sum(weights * dy_t[:, None, :] * C[:, :, None], axis=0)

    place = (sequence * chunks + chunk).to(tl.int64)
    tl.store(sums + place * d + channels, tl.sum(delta, axis=0), mask=channels < d)
    inside = (n < N)[:, None] & (channels < d)[None, :]
    tl.store(local + (place * N + n[:, None]) * d + channels[None, :], g, mask=inside)


@triton.jit
def grad_apply(
    dy, x, features, dt_weight, dt_bias, A_log, D, states, entering,
    dx_parts, dfeatures, dweight, dbias, dA_log, dD,
    height, width, d, chunks, batches, groups,
    R: tl.constexpr, N: tl.constexpr, RP: tl.constexpr, NP: tl.constexpr, BD: tl.constexpr,
    T: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """All gradients of GROUP chunks; grid (groups of chunks, 4 B, blocks of channels).

    dx_parts (4, B, L, d); dfeatures (blocks, B, L, 4 (R + 2 N)); and, one part for each program's chunks,
    dweight (B, 4, groups, R, d), dbias (B, 4, groups, d), dA_log (B, 4, groups, N, d), dD (B, 4, groups, d).
    """
    group, sequence, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    direction, batch = sequence % 4, (sequence // 4).to(tl.int64)
    length, row_length = height * width, 4 * (R + 2 * N)
    first = direction * (R + 2 * N)
    channels, n, r = block * BD + tl.arange(0, BD), tl.arange(0, NP), tl.arange(0, RP)
    dy += batch * length * d
    x += batch * length * d
    features += batch * length * row_length
    dx_parts += (direction * batches + batch) * length * d
    dfeatures += (block * batches + batch) * length * row_length
    rates = _decay_rates(A_log, direction, n, channels, N, d)
    weight = tl.trans(_rows(dt_weight, direction * d + channels, channels < d, 0, r, R, R))
    bias = tl.load(dt_bias + direction * d + channels, mask=channels < d, other=0.0).to(tl.float32)
    skip = tl.load(D + direction * d + channels, mask=channels < d, other=0.0).to(tl.float32)
    row = tl.arange(0, T)
    inside = (n < N)[:, None] & (channels < d)[None, :]

    weight_sum = tl.zeros((RP, BD), tl.float32)
    rate_sum = tl.zeros((NP, BD), tl.float32)
    bias_sum = tl.zeros((BD,), tl.float32)
    skip_sum = tl.zeros((BD,), tl.float32)
    for i in range(GROUP):
        chunk = group * GROUP + i
        place = (sequence * chunks + chunk).to(tl.int64)
        exists = (n < tl.where(chunk < chunks, N, 0))[:, None] & (channels < d)[None, :]
        h = tl.load(states + (place * N + n[:, None]) * d + channels[None, :], mask=exists, other=0.0)
        g_in = tl.load(entering + (place * N + n[:, None]) * d + channels[None, :], mask=exists, other=0.0)

        steps = chunk * T + row
        valid = steps < length
        pixels = _pixels(direction, steps, height, width)
        u = _rows(x, pixels, valid, 0, channels, d, d)
        dy_t = _rows(dy, pixels, valid, 0, channels, d, d)
        B = _rows(features, pixels, valid, first + R, n, N, row_length)
        C = _rows(features, pixels, valid, first + R + N, n, N, row_length)
        delta, before, dt = _delta(features, pixels, valid, first, weight, bias, r, R, row_length)

        # states: h_t, and q_t = exp(delta_t A) h_{t-1}
        decay = tl.exp2(delta[:, None, :] * rates[None, :, :])
        drive = (delta * u)[:, None, :] * B[:, :, None]
        begun = drive + tl.where((row == 0)[:, None, None], decay * h[None, :, :], 0.0)
        _, all_h = tl.associative_scan((decay, begun), 0, _compose)
        dC = tl.sum(all_h * dy_t[:, None, :], axis=2)
        q = all_h - drive

        # their gradients: g_t = C_t dy_t + exp(delta_{t+1} A) g_{t+1}; behind the last step stands g_in
        following = valid & (row < T - 1) & (steps + 1 < length)
        next_pixels = _pixels(direction, steps + 1, height, width)
        next_delta, _, _ = _delta(features, next_pixels, following, first, weight, bias, r, R, row_length)
        next_decay = tl.exp2(next_delta[:, None, :] * rates[None, :, :])
        arriving = dy_t[:, None, :] * C[:, :, None]
        arriving += tl.where((row == T - 1)[:, None, None], g_in[None, :, :], 0.0)
        _, g = tl.associative_scan((next_decay, arriving), 0, _compose, reverse=True)

        gB = tl.sum(g * B[:, :, None], axis=1)
        dB = tl.sum(g * (delta * u)[:, None, :], axis=2)
        gq = g * q
        rate_sum += tl.sum(gq * delta[:, None, :], axis=0)
        ddelta = u * gB + tl.sum(gq * rates[None, :, :], axis=1) * LN2
        ddt = tl.where(valid[:, None], ddelta * tl.sigmoid(before), 0.0)
        bias_sum += tl.sum(ddt, axis=0)
        skip_sum += tl.sum(u * dy_t, axis=0)
        weight_sum += tl.sum(dt[:, :, None] * ddt[:, None, :], axis=0)
        ddt_low = tl.sum(ddt[:, None, :] * weight[None, :, :], axis=2)

        out = pixels[:, None] * d + channels[None, :]
        tl.store(
            dx_parts + out, delta * gB + skip[None, :] * dy_t, mask=valid[:, None] & (channels < d)[None, :]
        )
        at = dfeatures + pixels[:, None] * row_length + first
        kind = dfeatures.dtype.element_ty
        tl.store(at + r[None, :], ddt_low.to(kind), mask=valid[:, None] & (r < R)[None, :])
        tl.store(at + R + n[None, :], dB.to(kind), mask=valid[:, None] & (n < N)[None, :])
        tl.store(at + R + N + n[None, :], dC.to(kind), mask=valid[:, None] & (n < N)[None, :])

    part = (sequence * groups + group).to(tl.int64)
    tl.store(dbias + part * d + channels, bias_sum, mask=channels < d)
    tl.store(dD + part * d + channels, skip_sum, mask=channels < d)
    tl.store(
        dweight + (part * R + r[:, None]) * d + channels[None, :],
        weight_sum,
        mask=(r < R)[:, None] & (channels < d)[None, :],
    )
    # d A_log = dA A, and rates = A log2(e)
    tl.store(dA_log + (part * N + n[:, None]) * d + channels[None, :], rate_sum * rates / LOG2E, mask=inside)
