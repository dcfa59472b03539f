"""The Triton kernel of the sums by class: a program adds up one of several parts of one class's pixels, in float64."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def add_part(
    mean, variance, order, starts, precision, weighted,
    classes,
    D: tl.constexpr, BD: tl.constexpr, ROWS: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    """precision and weighted (PARTS, C, D); grid (PARTS, C, tiles of BD columns).

    order (P,): the pixels' numbers sorted by class, those of class c at starts[c] to starts[c + 1] - 1.
    """
    part, c = tl.program_id(0).to(tl.int64), tl.program_id(1)
    column = tl.program_id(2) * BD + tl.arange(0, BD)
    begin, end = tl.load(starts + c), tl.load(starts + c + 1)
    each = (end - begin + PARTS - 1) // PARTS
    first = begin + part * each
    stop = tl.minimum(first + each, end)
    total = tl.zeros((ROWS, BD), tl.float64)
    total_weighted = tl.zeros((ROWS, BD), tl.float64)
    while first < stop:  # while, not range: the interpreter of triton 3.6 cannot count to such a number
        row = first + tl.arange(0, ROWS)
        pixel = tl.load(order + row, mask=row < stop, other=0)
        places = pixel[:, None] * D + column[None, :]
        here = (row < stop)[:, None] & (column < D)[None, :]
        m = tl.load(mean + places, mask=here, other=0.0).to(tl.float64)
        v = tl.load(variance + places, mask=here, other=1.0).to(tl.float64)
        inverse = tl.where(here, 1.0 / v, 0.0)
        total += inverse
        total_weighted += inverse * m
        first += ROWS
    place = (part * classes + c) * D + column
    tl.store(precision + place, tl.sum(total, axis=0), mask=column < D)
    tl.store(weighted + place, tl.sum(total_weighted, axis=0), mask=column < D)
