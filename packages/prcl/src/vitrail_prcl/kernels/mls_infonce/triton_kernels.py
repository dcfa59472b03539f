"""The Triton kernel of the contrastive loss: a program is an anchor, and reads its keys once, some rows at a time.

Whole rows are in registers, so that the reciprocals of a logit serve the gradients as well. Each row of the tile keeps
an online softmax of its own; they are put together at the end. All arithmetic is float32, and nothing is added up by
atomics.
"""

from __future__ import annotations

import triton
import triton.language as tl

EXCLUDED = tl.constexpr(-1e30)  # below every logit, and unlike -inf it can be subtracted from itself
SMALLEST = tl.constexpr(1e-9)  # as reference.SMALLEST


@triton.jit
def _log_product(x, ROWS: tl.constexpr, BD: tl.constexpr):
    """Sums of ln x (ROWS, BD) over the columns, one logarithm for the product of four neighbours."""
    low, high = tl.split(tl.reshape(x, (ROWS, BD // 2, 2)))
    low, high = tl.split(tl.reshape(low * high, (ROWS, BD // 4, 2)))
    return tl.sum(tl.log(low * high), axis=1)


@triton.jit
def _take(logit, present, ratio, inverse, highest, total, ratios, excesses):
    """Add a key to each row: its logit (ROWS,), (a - b) / d and 1 / d (ROWS, BD)."""
    logit = tl.where(present, logit, EXCLUDED)
    new = tl.maximum(highest, logit)
    fade = tl.exp(highest - new)
    weight = tl.where(present, tl.exp(logit - new), 0.0)
    total = total * fade + weight
    ratios = ratios * fade[:, None] + weight[:, None] * ratio
    excesses = excesses * fade[:, None] + weight[:, None] * (ratio * ratio - inverse)
    return new, total, ratios, excesses


@triton.jit
def anchor(
    mean, variance, group, positive_mean, positive_variance, key_mean, key_variance, index, virtual_mean,
    loss, grad_mean, grad_variance,
    negatives, virtuals, scale,
    D: tl.constexpr, BD: tl.constexpr, ROWS: tl.constexpr, SHARED: tl.constexpr,
):  # fmt: skip
    """loss (A,), grad_mean and grad_variance (A, D), float32; grid (A,)."""
    i = tl.program_id(0).to(tl.int64)
    column, lane = tl.arange(0, BD), tl.arange(0, ROWS)
    inside = column < D
    g = tl.load(group + i)
    line = i
    if SHARED:
        line = g
    a = tl.load(mean + i * D + column, mask=inside, other=0.0).to(tl.float32)
    given = tl.load(variance + i * D + column, mask=inside, other=1.0).to(tl.float32)
    s = tl.maximum(given, SMALLEST)
    half = -0.5 * scale
    highest = tl.full((ROWS,), EXCLUDED, tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    ratios = tl.zeros((ROWS, BD), tl.float32)
    excesses = tl.zeros((ROWS, BD), tl.float32)

    # while, not range: the interpreter of triton 3.6 cannot count to a number that is not a constant
    first = 0
    while first < negatives:
        present = first + lane < negatives
        row = tl.load(index + line * negatives + first + lane, mask=present, other=0)
        places = row[:, None] * D + column[None, :]
        here = present[:, None] & inside[None, :]
        b = tl.load(key_mean + places, mask=here, other=0.0).to(tl.float32)
        t = tl.load(key_variance + places, mask=here, other=0.0).to(tl.float32)
        inverse = 1.0 / (s[None, :] + t)
        difference = a[None, :] - b
        ratio = difference * inverse
        logit = half * (tl.sum(difference * ratio, axis=1) - _log_product(inverse, ROWS, BD))
        highest, total, ratios, excesses = _take(
            logit, present, ratio, inverse, highest, total, ratios, excesses
        )
        first += ROWS

    # a key of variance zero shares the anchor's reciprocals and logarithm
    inverse = tl.broadcast_to((1.0 / s)[None, :], (ROWS, BD))
    logs = _log_product(inverse, ROWS, BD)
    first = 0
    while first < virtuals:
        present = first + lane < virtuals
        places = (g * virtuals + first + lane)[:, None] * D + column[None, :]
        here = present[:, None] & inside[None, :]
        difference = a[None, :] - tl.load(virtual_mean + places, mask=here, other=0.0)
        ratio = difference * inverse
        logit = half * (tl.sum(difference * ratio, axis=1) - logs)
        highest, total, ratios, excesses = _take(
            logit, present, ratio, inverse, highest, total, ratios, excesses
        )
        first += ROWS

    largest = tl.max(highest, axis=0)
    fade = tl.exp(highest - largest)
    sum_all = tl.sum(total * fade, axis=0)
    some = tl.where(sum_all > 0, sum_all, 1.0)
    ratios_all = tl.sum(ratios * fade[:, None], axis=0) / some
    excesses_all = tl.sum(excesses * fade[:, None], axis=0) / some

    difference = a - tl.load(positive_mean + g * D + column, mask=inside, other=0.0)
    inverse_own = 1.0 / (s + tl.load(positive_variance + g * D + column, mask=inside, other=0.0))
    ratio_own = difference * inverse_own
    logs_own = tl.sum(_log_product(inverse_own[None, :], 1, BD), axis=0)
    own = half * (tl.sum(difference * ratio_own, axis=0) - logs_own)
    ahead = tl.where(sum_all > 0, largest + tl.log(some) - own, float("-inf"))
    small = tl.exp(-tl.abs(ahead))
    # 1 minus the positive's softmax, without cancellation
    others = tl.where(ahead >= 0, 1.0, small) / (1.0 + small)
    tl.store(loss + i, tl.maximum(ahead, 0.0) + tl.log(1.0 + small))
    place = i * D + column
    tl.store(grad_mean + place, scale * others * (ratio_own - ratios_all), mask=inside)
    slope = 0.5 * scale * others * (excesses_all - (ratio_own * ratio_own - inverse_own))
    tl.store(grad_variance + place, tl.where(given >= SMALLEST, slope, 0.0), mask=inside)
