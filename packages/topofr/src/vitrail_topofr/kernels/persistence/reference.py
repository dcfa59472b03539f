"""The definition of H0 persistence: Prim's algorithm in plain torch, any device and float dtype.

In a Vietoris-Rips filtration of n points every point is born at 0, and two components die into one at the
length of an edge of the minimum spanning tree (Edelsbrunner & Harer, Computational Topology, VII.1). So the
finite pairs are the n - 1 edges of that tree. Among equal lengths the edge comes first that stands first in the
upper triangle, row by row; with this total order (length, i n + j), i < j, the tree is unique.
"""

from __future__ import annotations

import torch
from torch import Tensor


def trees(distances: Tensor) -> Tensor:
    """The tree of each matrix (B, n, n): places i n + j, i < j, of its edges in order, (B, n - 1) int64."""
    batch, n, _ = distances.shape
    vertices = torch.arange(n, device=distances.device)
    weights = torch.where(distances.isnan(), torch.inf, distances)
    rows = torch.arange(batch, device=distances.device)
    inside = torch.zeros(batch, n, dtype=torch.bool, device=distances.device)
    inside[:, 0] = True
    nearest = weights[
        :, 0
    ].clone()  # (B, n): from each vertex the length to the tree, and to which vertex of it
    parent = torch.zeros(batch, n, dtype=torch.int64, device=distances.device)
    found = torch.empty(batch, n - 1, dtype=torch.int64, device=distances.device)
    for step in range(n - 1):
        place = torch.minimum(vertices, parent) * n + torch.maximum(vertices, parent)
        shortest = nearest.masked_fill(inside, torch.inf).amin(dim=1, keepdim=True)
        first = place.masked_fill(inside | (nearest != shortest), n * n)
        vertex = first.argmin(dim=1)
        found[:, step] = place[rows, vertex]
        inside[rows, vertex] = True
        row = weights[rows, vertex]
        closer = (row < nearest) | ((row == nearest) & (vertex[:, None] < parent))
        nearest = torch.where(closer, row, nearest)
        parent = torch.where(closer, vertex[:, None], parent)
    return in_order(distances, found)


def in_order(distances: Tensor, places: Tensor) -> Tensor:
    """Places (B, n - 1) sorted by (length, place)."""
    places = places.sort(dim=1).values
    lengths = distances.flatten(1).gather(1, places)
    return places.gather(1, lengths.sort(dim=1, stable=True).indices)
