"""The kernels of triton.py. An edge is one int64: the order of its length << 32 | (i n + j), i < j.

The minimum of such numbers is the next edge in the total order, so no kernel has a tie to break.
"""

from __future__ import annotations

import triton
import triton.language as tl

NONE = tl.constexpr(2**63 - 1)  # no edge
LARGEST = tl.constexpr(2**31 - 1)


@triton.jit
def _edge(length, i, j, n):
    bits = length.to(tl.int32, bitcast=True)
    key = bits ^ ((bits >> 31) & LARGEST)
    key = tl.where(key == -1, 0, key)  # -0 is 0
    place = tl.minimum(i, j).to(tl.int64) * n + tl.maximum(i, j)
    return (key.to(tl.int64) << 32) | place


@triton.jit
def prim(distances, edges, n, BLOCK: tl.constexpr):
    """One program a matrix: Prim's algorithm, the way from each vertex to the tree in registers."""
    matrix = tl.program_id(0).to(tl.int64)
    distances += matrix * n * n
    edges += matrix * (n - 1)
    vertex = tl.arange(0, BLOCK)
    outside = (vertex > 0) & (vertex < n)
    way = tl.full([BLOCK], NONE, tl.int64)
    latest = tl.program_id(0) * 0
    step = 0
    while (
        step < n - 1
    ):  # while, not range: the interpreter of triton 3.6 cannot count to a number that is not a constant
        row = tl.load(distances + latest * n + vertex, mask=vertex < n, other=0.0)
        way = tl.minimum(way, _edge(row, latest, vertex, n))
        candidates = tl.where(outside, way, NONE)
        first = tl.min(candidates, axis=0)
        tl.store(edges + step, first)
        latest = tl.max(tl.where(outside & (candidates == first), vertex, -1), axis=0)
        outside = outside & (vertex != latest)
        step += 1


@triton.jit
def nearest(distances, component, best, remaining, n, BLOCK: tl.constexpr):
    """Boruvka, step 1, one program a row: the shortest edge from the row's vertex into another component."""
    i, matrix = tl.program_id(0), tl.program_id(1).to(tl.int64)
    if tl.load(remaining + matrix) > 1:
        distances += (matrix * n + i) * n
        component += matrix * n
        own = tl.load(component + i)
        shortest = tl.full([BLOCK], NONE, tl.int64)
        start = 0
        while start < n:
            j = start + tl.arange(0, BLOCK)
            other = tl.load(component + j, mask=j < n, other=0)
            row = tl.load(distances + j, mask=j < n, other=0.0)
            foreign = (j < n) & (other != own)
            shortest = tl.minimum(shortest, tl.where(foreign, _edge(row, i, j, n), NONE))
            start += BLOCK
        tl.atomic_min(best + matrix * n + own, tl.min(shortest, axis=0))


@triton.jit
def hook(component, best, parent, edges, remaining, n, BLOCK: tl.constexpr):
    """Boruvka, step 2: each component joins the one that its shortest edge leads to, and writes that edge.

    Two components that chose the same edge would join each other; the lower one stays. A component joins
    another once in its life, so its own place among the edges is free.
    """
    c, matrix = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.program_id(1).to(tl.int64)
    component += matrix * n
    best += matrix * n
    inside = c < n
    edge = tl.load(best + c, mask=inside, other=NONE)
    root = inside & (tl.load(component + c, mask=inside, other=-1) == c) & (edge != NONE)
    place = edge & 0xFFFFFFFF
    i, j = place // n, place % n
    from_i = tl.load(component + i, mask=root, other=0)
    from_j = tl.load(component + j, mask=root, other=0)
    other = tl.where(from_i == c, from_j, from_i)
    stays = (tl.load(best + other, mask=root, other=NONE) == edge) & (c < other)
    joins = root & (stays == 0)
    tl.store(parent + matrix * n + c, tl.where(joins, other, c), mask=inside)
    tl.store(edges + matrix * n + c, edge, mask=joins)
    tl.atomic_add(remaining + matrix, -tl.sum(joins.to(tl.int32), axis=0))


@triton.jit
def relabel(component, best, parent, n, BLOCK: tl.constexpr):
    """Boruvka, step 3: every vertex follows its component to the one that stayed."""
    v, matrix = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.program_id(1).to(tl.int64)
    inside = v < n
    parent += matrix * n
    old = tl.load(component + matrix * n + v, mask=inside, other=0)
    at = tl.load(parent + old, mask=inside, other=0)
    above = tl.load(parent + at, mask=inside, other=0)
    while tl.max((at != above).to(tl.int32), axis=0) > 0:
        at = above
        above = tl.load(parent + at, mask=inside, other=0)
    tl.store(component + matrix * n + v, at, mask=inside)
    tl.store(best + matrix * n + v, NONE, mask=inside)
