"""Triton kernels of the cross-scan, and what the forward and the backward pass share.

One program works on a tile of T steps x N states x a block of channels, all in registers: loads of a whole tile hide
each other's latency, B and C are read once for the channels of the block, and nothing of this size is ever stored.
The length is cut into chunks of one or several tiles:

    scan_local   for each chunk alone: its sum of delta, and the state it would end with from a zero start
    carry        over the chunks: the state each one really starts with
    scan_apply   each chunk again, from that state: y of one direction
    merge        the sum of the four directions

Directions are index arithmetic (`_pixels`); nothing is flipped or transposed. Inputs may be float32, bfloat16 or
float16; all arithmetic is float32.
"""

from __future__ import annotations

import triton
import triton.language as tl

LOG2E = tl.constexpr(1.4426950408889634)
LN2 = tl.constexpr(0.6931471805599453)


@triton.jit
def _pixels(direction, steps, height, width):
    """The pixels that a route visits at `steps` (reference.routes)."""
    length = height * width
    along = tl.where(direction >= 2, length - 1 - steps, steps)
    return tl.where(direction % 2 == 1, (along % height) * width + along // height, along)


@triton.jit
def _softplus(v):
    """log(1 + exp(v)) with full relative precision for very negative v, as 2 atanh(e / (2 + e))."""
    e = tl.exp2(-tl.abs(v) * LOG2E)
    s = e / (2.0 + e)
    z = s * s
    p = 0.1408916711807251 * z + 0.13980300724506378
    p = p * z + 0.20012454688549042
    p = p * z + 0.3333315849304199
    p = p * z + 1.0
    return tl.maximum(v, 0.0) + 2.0 * s * p


@triton.jit
def _decay_rates(A_log, direction, n, channels, N, d):
    """A log2(e) = -exp(A_log) log2(e), (N, D)."""
    inside = (n < N)[:, None] & (channels < d)[None, :]
    logs = tl.load(A_log + (direction * d + channels)[None, :] * N + n[:, None], mask=inside, other=0.0).to(
        tl.float32
    )
    return -tl.exp2(logs * LOG2E) * LOG2E


@triton.jit
def _rows(pointer, pixels, valid, first, index, count, row_length):
    """(T, index) from row-major data: columns first + index of the rows `pixels`."""
    inside = valid[:, None] & (index < count)[None, :]
    values = tl.load(
        pointer + pixels[:, None] * row_length + (first + index)[None, :], mask=inside, other=0.0
    )
    return values.to(tl.float32)


@triton.jit
def _delta(features, pixels, valid, first, weight, bias, r, R, row_length):
    """softplus(dt W + bias), its argument, and dt: (T, D), (T, D), (T, R). Steps beyond the end get delta = 0."""
    dt = _rows(features, pixels, valid, first, r, R, row_length)
    before = tl.sum(dt[:, :, None] * weight[None, :, :], axis=1) + bias[None, :]
    return tl.where(valid[:, None], _softplus(before), 0.0), before, dt


@triton.jit
def _compose(p1, v1, p2, v2):
    """h -> p1 h + v1 followed by h -> p2 h + v2."""
    return p1 * p2, v1 * p2 + v2


@triton.jit
def scan_local(
    x, features, dt_weight, dt_bias, A_log, sums, local,
    height, width, d, chunks,
    R: tl.constexpr, N: tl.constexpr, RP: tl.constexpr, NP: tl.constexpr, BD: tl.constexpr,
    T: tl.constexpr, TILES: tl.constexpr,
):  # fmt: skip
    """sums (B, 4, chunks, d) and local (B, 4, chunks, N, d); grid (chunks, 4 B, blocks of channels)."""
    chunk, sequence = tl.program_id(0), tl.program_id(1)
    direction, batch = sequence % 4, (sequence // 4).to(tl.int64)
    length, row_length = height * width, 4 * (R + 2 * N)
    first = direction * (R + 2 * N)
    channels, n, r = tl.program_id(2) * BD + tl.arange(0, BD), tl.arange(0, NP), tl.arange(0, RP)
    x += batch * length * d
    features += batch * length * row_length
    rates = _decay_rates(A_log, direction, n, channels, N, d)
    weight = tl.trans(_rows(dt_weight, direction * d + channels, channels < d, 0, r, R, R))
    bias = tl.load(dt_bias + direction * d + channels, mask=channels < d, other=0.0).to(tl.float32)

    h = tl.zeros((NP, BD), tl.float32)
    total = tl.zeros((BD,), tl.float32)
    for tile in range(TILES):
        steps = (chunk * TILES + tile) * T + tl.arange(0, T)
        valid = steps < length
        pixels = _pixels(direction, steps, height, width)
        u = _rows(x, pixels, valid, 0, channels, d, d)
        B = _rows(features, pixels, valid, first + R, n, N, row_length)
        delta, _, _ = _delta(features, pixels, valid, first, weight, bias, r, R, row_length)
        tile_sum = tl.sum(delta, axis=0)
        after = tl.cumsum(delta, axis=0, reverse=True) - delta  # what is still to come after each step
        weights = tl.exp2(after[:, None, :] * rates[None, :, :])
        arriving = tl.sum(weights * (delta * u)[:, None, :] * B[:, :, None], axis=0)
        h = tl.exp2(tile_sum[None, :] * rates) * h + arriving
        total += tile_sum

    place = (sequence * chunks + chunk).to(tl.int64)
    tl.store(sums + place * d + channels, total, mask=channels < d)
    inside = (n < N)[:, None] & (channels < d)[None, :]
    tl.store(local + (place * N + n[:, None]) * d + channels[None, :], h, mask=inside)


@triton.jit
def carry(
    sums, local, A_log, states,
    d, chunks,
    N: tl.constexpr, BD: tl.constexpr, CHUNKS: tl.constexpr, REVERSE: tl.constexpr,
):  # fmt: skip
    """states (B, 4, chunks, N, d): what enters each chunk, given what each makes of nothing (`local`).

    With REVERSE the chunks run from last to first. Grid (4 B, N, blocks of channels).
    """
    sequence, n = tl.program_id(0), tl.program_id(1)
    channels = tl.program_id(2) * BD + tl.arange(0, BD)
    logs = tl.load(A_log + ((sequence % 4) * d + channels) * N + n, mask=channels < d, other=0.0).to(
        tl.float32
    )
    rate = -tl.exp2(logs * LOG2E) * LOG2E
    base = sequence.to(tl.int64) * chunks
    row = tl.arange(0, CHUNKS)
    entering = tl.zeros((BD,), tl.float32)
    begin = base + (chunks - 1 if REVERSE else 0)
    tl.store(states + (begin * N + n) * d + channels, entering, mask=channels < d)
    start = 0
    # not `range`: the interpreter of triton 3.6 cannot count to a run-time number with numpy 2.4
    while start < chunks:
        order = start + row
        inside = (order < chunks)[:, None] & (channels < d)[None, :]
        chunk = chunks - 1 - order if REVERSE else order
        place = (base + chunk)[:, None]
        decay = tl.exp2(tl.load(sums + place * d + channels[None, :], mask=inside, other=0.0) * rate[None, :])
        value = tl.load(local + (place * N + n) * d + channels[None, :], mask=inside, other=0.0)
        decay, value = tl.associative_scan((decay, value), 0, _compose)
        leaving = decay * entering[None, :] + value
        following = (base + (chunk - 1 if REVERSE else chunk + 1))[:, None]
        tl.store(
            states + (following * N + n) * d + channels[None, :],
            leaving,
            mask=inside & (order + 1 < chunks)[:, None],
        )
        entering = tl.sum(tl.where((row == CHUNKS - 1)[:, None], leaving, 0.0), axis=0)
        start += CHUNKS


@triton.jit
def scan_apply(
    x, features, dt_weight, dt_bias, A_log, D, states, parts,
    height, width, d, chunks, batches,
    R: tl.constexpr, N: tl.constexpr, RP: tl.constexpr, NP: tl.constexpr, BD: tl.constexpr,
    T: tl.constexpr, TILES: tl.constexpr,
):  # fmt: skip
    """parts (4, B, L, d): y of each direction. Grid as scan_local."""
    chunk, sequence = tl.program_id(0), tl.program_id(1)
    direction, batch = sequence % 4, (sequence // 4).to(tl.int64)
    length, row_length = height * width, 4 * (R + 2 * N)
    first = direction * (R + 2 * N)
    channels, n, r = tl.program_id(2) * BD + tl.arange(0, BD), tl.arange(0, NP), tl.arange(0, RP)
    x += batch * length * d
    features += batch * length * row_length
    parts += (direction * batches + batch) * length * d
    rates = _decay_rates(A_log, direction, n, channels, N, d)
    weight = tl.trans(_rows(dt_weight, direction * d + channels, channels < d, 0, r, R, R))
    bias = tl.load(dt_bias + direction * d + channels, mask=channels < d, other=0.0).to(tl.float32)
    skip = tl.load(D + direction * d + channels, mask=channels < d, other=0.0).to(tl.float32)

    place = (sequence * chunks + chunk).to(tl.int64)
    inside = (n < N)[:, None] & (channels < d)[None, :]
    h = tl.load(states + (place * N + n[:, None]) * d + channels[None, :], mask=inside, other=0.0)
    row = tl.arange(0, T)
    for tile in range(TILES):
        steps = (chunk * TILES + tile) * T + row
        valid = steps < length
        pixels = _pixels(direction, steps, height, width)
        u = _rows(x, pixels, valid, 0, channels, d, d)
        B = _rows(features, pixels, valid, first + R, n, N, row_length)
        C = _rows(features, pixels, valid, first + R + N, n, N, row_length)
        delta, _, _ = _delta(features, pixels, valid, first, weight, bias, r, R, row_length)
        decay = tl.exp2(delta[:, None, :] * rates[None, :, :])
        drive = (delta * u)[:, None, :] * B[:, :, None]
        drive += tl.where((row == 0)[:, None, None], decay * h[None, :, :], 0.0)
        _, all_h = tl.associative_scan((decay, drive), 0, _compose)
        y = tl.sum(all_h * C[:, :, None], axis=1) + skip[None, :] * u
        tl.store(
            parts + pixels[:, None] * d + channels[None, :], y, mask=valid[:, None] & (channels < d)[None, :]
        )
        h = tl.sum(tl.where((row == T - 1)[:, None, None], all_h, 0.0), axis=0)


@triton.jit
def merge(parts, out, count, BLOCK: tl.constexpr):
    """out = the sum of the four parts, in a fixed order."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    total = tl.load(parts + place, mask=inside, other=0.0)
    for direction in tl.static_range(1, 4):
        total += tl.load(parts + direction * count + place, mask=inside, other=0.0)
    tl.store(out + place, total.to(out.dtype.element_ty), mask=inside)
