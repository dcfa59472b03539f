"""The compiled loops of cpu.py: Prim's algorithm, and a fingerprint that tells a symmetric matrix.

Both read float32 as int32. The loop over a row (`_relax`) is written so that it vectorises: lengths become
integers of the same order, a vertex inside the tree is masked with the largest integer, and among equal
lengths the tie rule for one vertex is simply the smaller parent.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import boolean, int32, int64
from numba.types import Array

_matrix, _keys = Array(int32, 2, "C", readonly=True), Array(int64, 1, "C")
_edges, _lengths = Array(int64, 2, "C"), Array(int32, 1, "C")
_LARGEST = np.int32(2**31 - 1)
_INFINITY = np.int32(0x7F800000)
_SIGN = np.int32(31)


@numba.njit(nogil=True)
def _relax(row, nearest, parent, inside, latest):
    """Let every vertex see the vertex that has just joined the tree; returns the shortest way out."""
    shortest = _LARGEST
    for v in range(row.shape[0]):
        bits = row[v]
        key = bits ^ ((bits >> _SIGN) & _LARGEST)
        key = np.int32(0) if key == np.int32(-1) else key  # -0 is 0
        near = nearest[v]
        closer = key < near or (key == near and latest < parent[v])
        near = key if closer else near
        nearest[v] = near
        parent[v] = latest if closer else parent[v]
        seen = _LARGEST if inside[v] != 0 else near
        shortest = min(seen, shortest)
    return shortest


@numba.njit(int64(_matrix, _keys), cache=True, nogil=True)
def prim(matrix, out):
    """Edges of the tree of one matrix (n, n), as (length's key << 32) | (i n + j), as Prim finds them.

    NaN counts as a very large or very small number; the result is a tree all the same.
    """
    n = matrix.shape[0]
    nearest = np.full(n, _LARGEST, np.int32)
    parent = np.zeros(n, np.int32)
    inside = np.zeros(n, np.int32)
    inside[0] = 1
    latest = np.int32(0)
    for step in range(n - 1):
        shortest = _relax(matrix[latest], nearest, parent, inside, latest)
        place, vertex = int64(2**62), int64(-1)
        for v in range(n):
            if nearest[v] == shortest and inside[v] == 0:
                p = int64(parent[v])
                here = min(p, v) * n + max(p, v)
                if here < place:
                    place, vertex = here, v
        inside[vertex] = 1
        latest = np.int32(vertex)
        out[step] = (int64(shortest) << 32) | place
    return 0


@numba.njit(int64(_matrix, _keys, _edges, _lengths), cache=True, nogil=True)
def unpack(matrix, keys, edges, lengths):
    """What `prim` wrote, sorted, as pairs of vertices and the bits of their lengths."""
    n = matrix.shape[0]
    for step in range(n - 1):
        place = keys[step] & 0xFFFFFFFF
        i = place // n
        j = place - i * n
        edges[step, 0] = i
        edges[step, 1] = j
        lengths[step] = matrix[i, j]
    return 0


@numba.njit(boolean(_matrix), cache=True, nogil=True)
def sound(matrix):
    """Whether a matrix holds no NaN and equals its transpose bit by bit, by fingerprints of rows and columns.

    One pass in the order of memory, where a comparison with the transpose jumps. A matrix that is not
    symmetric passes with a probability of about 2^-32.
    """
    n = matrix.shape[0]
    factors = np.empty(n, np.int32)
    for i in range(n):
        factors[i] = np.int32(((i + 1) * 2654435761) & 0x7FFFFFFF) | np.int32(1)
    columns = np.zeros(n, np.int32)
    rows = np.zeros(n, np.int32)
    bad = np.int32(0)
    for i in range(n):
        row = matrix[i]
        total, factor = np.int32(0), factors[i]
        for j in range(n):
            bits = row[j]
            bad |= np.int32((bits & _LARGEST) > _INFINITY)
            total += np.int32(bits * factors[j])
            columns[j] += np.int32(bits * factor)
        rows[i] = total
    for i in range(n):
        bad |= rows[i] ^ columns[i]
    return bad == 0
