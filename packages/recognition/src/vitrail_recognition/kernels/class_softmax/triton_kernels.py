"""Triton kernels of the class softmax: what is done to a block of products (B, n) = E W^T between matrix products.

    block_sums        log-sum-exp, and mean logit, of every row of the block
    block_gradients   products become gradients of the cosines, times 1 / |w|; and each class's part along its centre
    finish            a block of the centres' gradient: that part is taken away

Nothing is added up by atomics: the same input gives the same bits. All arithmetic is float32.
"""

from __future__ import annotations

import triton
import triton.language as tl

EXCLUDED = tl.constexpr(-1e30)  # as parts.EXCLUDED


@triton.jit(do_not_specialize=["first", "slot", "slots"])
def block_sums(
    products, norms, labels, rests, means,
    n, first, slot, slots, scale, threshold,
    BLOCK: tl.constexpr, FILTER: tl.constexpr, MEAN: tl.constexpr,
):  # fmt: skip
    """rests and means (B, slots), at slots slot, slot + 1, ...; grid (B, slices of BLOCK classes)."""
    row, part = tl.program_id(0), tl.program_id(1)
    columns = part * BLOCK + tl.arange(0, BLOCK)
    inside = columns < n
    norm = tl.load(norms + columns, mask=inside, other=0.0)
    logits = tl.load(products + row.to(tl.int64) * n + columns, mask=inside, other=0.0) * norm * scale
    if FILTER:
        logits = tl.where(logits > scale * threshold, 0.0, logits)
    label = tl.load(labels + row)
    logits = tl.where(inside & (first + columns != label), logits, EXCLUDED)
    highest = tl.max(logits, axis=0)
    shares = tl.exp(logits - highest)
    total = tl.sum(shares, axis=0)
    place = row.to(tl.int64) * slots + slot + part
    tl.store(rests + place, highest + tl.log(total))
    if MEAN:
        tl.store(means + place, tl.sum(shares * logits, axis=0) / total)


@triton.jit(do_not_specialize=["first"])
def block_gradients(
    products, gradients, along, norms, labels, rest, grad_rest, grad_target,
    batch, n, first, scale, threshold,
    ROWS: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, FILTER: tl.constexpr,
):  # fmt: skip
    """gradients (B, n), which may be `products`, and along (groups, n); grid (tiles of BN classes, groups of rows).

    grad_rest is the gradient of rest times `scale`.
    """
    columns = tl.program_id(0) * BN + tl.arange(0, BN)
    valid = columns < n
    norm = tl.load(norms + columns, mask=valid, other=0.0)
    total = tl.zeros((BN,), tl.float32)
    for start in range(0, ROWS, BM):
        rows = tl.program_id(1) * ROWS + start + tl.arange(0, BM)
        present = rows < batch
        inside = present[:, None] & valid[None, :]
        places = rows.to(tl.int64)[:, None] * n + columns[None, :]
        cosines = tl.load(products + places, mask=inside, other=0.0) * norm[None, :]
        logits = cosines * scale
        highest = tl.load(rest + rows, mask=present, other=float("inf"))
        arriving = tl.load(grad_rest + rows, mask=present, other=0.0)
        own = tl.load(grad_target + rows, mask=present, other=0.0)
        label = tl.load(labels + rows, mask=present, other=-1)
        # the target itself may lie far above the rest
        share = tl.exp(tl.minimum(logits - highest[:, None], 0.0))
        if FILTER:
            share = tl.where(logits > scale * threshold, 0.0, share)
        gradient = arriving[:, None] * share
        gradient = tl.where(label[:, None] == (first + columns)[None, :], own[:, None], gradient)
        gradient = tl.where(inside, gradient, 0.0)
        total += tl.sum(gradient * cosines, axis=0)
        tl.store(gradients + places, (gradient * norm[None, :]).to(gradients.dtype.element_ty), mask=inside)
    place = tl.program_id(1).to(tl.int64) * n + columns
    tl.store(along + place, total * norm * norm, mask=valid)


@triton.jit(do_not_specialize=["groups"])
def finish(
    slope, centres, along, largest, out,
    n, width, groups,
    BR: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """out (n, D), which may be `slope`, = largest * (slope - along * centres); grid (tiles of BR, tiles of BD)."""
    rows = tl.program_id(0) * BR + tl.arange(0, BR)
    columns = tl.program_id(1) * BD + tl.arange(0, BD)
    total = tl.zeros((BR,), tl.float32)
    group = 0
    while (
        group < groups
    ):  # while, not range: the interpreter of triton 3.6 cannot count to a number that is not a constant
        total += tl.load(along + group * n + rows, mask=rows < n, other=0.0)
        group += 1
    inside = (rows < n)[:, None] & (columns < width)[None, :]
    places = rows[:, None] * width + columns[None, :]
    centre = tl.load(centres + places, mask=inside, other=0.0).to(tl.float32)
    value = (tl.load(slope + places, mask=inside, other=0.0) - total[:, None] * centre) * tl.load(largest)
    tl.store(out + places, value.to(out.dtype.element_ty), mask=inside)
