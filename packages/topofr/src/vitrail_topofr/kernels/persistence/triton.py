"""H0 persistence on an NVIDIA GPU, float32: Prim for small matrices, Boruvka for others; it never waits."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from vitrail_topofr.kernels.persistence import triton_kernels as kernels
from vitrail_training.kernels.device import device_of

PRIM = 256
"""Up to this many points one program does a whole matrix; above, rounds over all rows are launched."""

ROW = 1024
VERTICES = 128
_PLACE = 0xFFFFFFFF


def trees(distances: Tensor) -> Tensor:
    """As reference.trees, for float32 and narrower."""
    distances = distances.float().contiguous()
    n = distances.shape[1]
    with device_of(distances):
        edges = _prim(distances) if n <= PRIM else _boruvka(distances)
        return edges.sort(dim=1).values[:, : n - 1] & _PLACE


def _prim(distances: Tensor) -> Tensor:
    batch, n, _ = distances.shape
    edges = distances.new_empty(batch, n - 1, dtype=torch.int64)
    block = max(32, triton.next_power_of_2(n))
    kernels.prim[(batch,)](distances, edges, n, BLOCK=block, num_warps=_warps(block))
    return edges


def _warps(block: int) -> int:
    """Eight vertices a thread, so that up to 256 points are one warp's, which needs no barrier."""
    return max(1, block // 256)


def _boruvka(distances: Tensor) -> Tensor:
    batch, n, _ = distances.shape
    new = distances.new_empty
    component = torch.arange(n, device=distances.device, dtype=torch.int32).repeat(batch, 1)
    parent = component.clone()
    best = new(batch, n, dtype=torch.int64).fill_(kernels.NONE.value)
    edges = best.clone()
    remaining = new(batch, dtype=torch.int32).fill_(n)
    row = min(ROW, triton.next_power_of_2(n))
    blocks = (triton.cdiv(n, VERTICES), batch)
    for _ in range((n - 1).bit_length()):  # a round leaves at most half of the components
        kernels.nearest[(n, batch)](distances, component, best, remaining, n, BLOCK=row, num_warps=4)
        kernels.hook[blocks](component, best, parent, edges, remaining, n, BLOCK=VERTICES, num_warps=4)
        kernels.relabel[blocks](component, best, parent, n, BLOCK=VERTICES, num_warps=4)
    return edges
