"""Cross-scan on an NVIDIA GPU: launches the kernels of triton_forward.py and triton_backward.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from vitrail_cmunet.kernels.selective_scan import triton_backward, triton_forward
from vitrail_cmunet.kernels.selective_scan.reference import DIRECTIONS
from vitrail_training.kernels.device import device_of

TILE = 16  # steps in one tile
CARRY_CHUNKS = 64  # chunks that `carry` scans at once
ENOUGH_PROGRAMS = 2048  # fills the largest GPUs several times over


def chunk_length(length: int) -> int:
    """Long chunks move fewer states; the backward pass needs chunks of one tile, and it runs only with gradients."""
    if torch.is_grad_enabled():
        return TILE
    return TILE * (4 if length >= 16384 else 2)


@dataclass(frozen=True)
class Sizes:
    """The numbers that fix which variant of the kernels is compiled and how it is launched."""

    d: int
    rank: int
    states_n: int

    @property
    def block(self) -> int:
        """Channels in one program."""
        return min(32, max(16, triton.next_power_of_2(self.d)))

    @property
    def warps(self) -> int:
        """Warps of a program: 32 elements of a tile to each thread."""
        return TILE * 16 * self.block // (32 * 32)

    def constants(self) -> Mapping[str, int]:
        powers = {"RP": triton.next_power_of_2(self.rank), "NP": triton.next_power_of_2(self.states_n)}
        return {
            "R": self.rank, "N": self.states_n, **powers, "BD": self.block, "T": TILE,
            "num_warps": self.warps, "enable_fp_fusion": True,
        }  # fmt: skip


def forward(
    x: Tensor,
    projected: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A_log: Tensor,
    D: Tensor,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    """As reference.cross_scan_reference; `chunk` is a multiple of TILE."""
    if chunk % TILE:
        raise ValueError(f"the triton backend needs chunks of a multiple of {TILE} steps; got {chunk}.")
    x, projected, dt_weight, dt_bias, A_log, D = _contiguous(x, projected, dt_weight, dt_bias, A_log, D)
    batch, height, width, d = x.shape
    sizes = Sizes(d, dt_weight.shape[-1], A_log.shape[-1])
    chunks = triton.cdiv(height * width, chunk)
    sums, local, states = _chunk_buffers(x, chunks, sizes, count=2)
    parts = x.new_empty(DIRECTIONS, *x.shape, dtype=torch.float32)
    grid = (chunks, DIRECTIONS * batch, triton.cdiv(d, sizes.block))
    options = {**sizes.constants(), "TILES": chunk // TILE}
    shape = (height, width, d, chunks)
    with device_of(x):
        triton_forward.scan_local[grid](
            x, projected, dt_weight, dt_bias, A_log, sums, local, *shape, **options
        )
        _carry(sums, local, A_log, states, chunks, sizes, reverse=False)
        triton_forward.scan_apply[grid](
            x, projected, dt_weight, dt_bias, A_log, D, states, parts, *shape, batch, **options
        )
        return _merge(parts, x), states


def backward(
    dy: Tensor,
    states: Tensor,
    x: Tensor,
    projected: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A_log: Tensor,
    D: Tensor,
    chunk: int,
) -> tuple[Tensor, ...]:
    """The gradients of the six inputs; `chunk` is TILE, and `states` are those that `forward` returned."""
    if chunk != TILE:
        raise ValueError(
            f"the triton backend's gradient needs chunks of {TILE} steps; the forward pass used {chunk}."
        )
    inputs = (x, projected, dt_weight, dt_bias, A_log, D)
    x, projected, dt_weight, dt_bias, A_log, D, dy, states = _contiguous(*inputs, dy, states)
    batch, height, width, d = x.shape
    sizes = Sizes(d, dt_weight.shape[-1], A_log.shape[-1])
    chunks, blocks = states.shape[2], triton.cdiv(d, sizes.block)
    group = max(1, min(8, chunks * DIRECTIONS * batch * blocks // ENOUGH_PROGRAMS))
    group = 1 << (group.bit_length() - 1)  # few variants to compile
    groups = triton.cdiv(chunks, group)
    sums, local, entering = _chunk_buffers(x, chunks, sizes, count=2)
    new = x.new_empty
    parts = new(DIRECTIONS, *x.shape, dtype=torch.float32)
    dfeatures = new(blocks, *projected.shape, dtype=projected.dtype if blocks == 1 else torch.float32)
    dweight = new(batch, DIRECTIONS, groups, sizes.rank, d, dtype=torch.float32)
    dbias = new(batch, DIRECTIONS, groups, d, dtype=torch.float32)
    dA_log = new(batch, DIRECTIONS, groups, sizes.states_n, d, dtype=torch.float32)
    dD = torch.empty_like(dbias)
    shape = (height, width, d, chunks)
    options = sizes.constants()
    with device_of(x):
        triton_backward.grad_local[(chunks, DIRECTIONS * batch, blocks)](
            dy, projected, dt_weight, dt_bias, A_log, sums, local, *shape, **options
        )
        _carry(sums, local, A_log, entering, chunks, sizes, reverse=True)
        triton_backward.grad_apply[(groups, DIRECTIONS * batch, blocks)](
            dy, x, projected, dt_weight, dt_bias, A_log, D, states, entering,
            parts, dfeatures, dweight, dbias, dA_log, dD, *shape, batch, groups, GROUP=group,
            **options,
        )  # fmt: skip
        dx = _merge(parts, x)
    return (
        dx,
        dfeatures[0] if blocks == 1 else dfeatures.sum(dim=0).to(projected.dtype),
        dweight.sum(dim=(0, 2)).mT.to(dt_weight.dtype).contiguous(),
        dbias.sum(dim=(0, 2)).to(dt_bias.dtype),
        dA_log.sum(dim=(0, 2)).mT.reshape(A_log.shape).to(A_log.dtype),
        dD.sum(dim=(0, 2)).flatten().to(D.dtype),
    )


def _carry(
    sums: Tensor, local: Tensor, A_log: Tensor, out: Tensor, chunks: int, sizes: Sizes, reverse: bool
) -> None:
    batch = sums.shape[0]
    grid = (DIRECTIONS * batch, sizes.states_n, triton.cdiv(sizes.d, 16))
    triton_forward.carry[grid](
        sums, local, A_log, out, sizes.d, chunks,
        N=sizes.states_n, BD=16, CHUNKS=CARRY_CHUNKS, REVERSE=reverse, num_warps=4,
    )  # fmt: skip


def _merge(parts: Tensor, like: Tensor) -> Tensor:
    out = torch.empty_like(like)
    triton_forward.merge[(triton.cdiv(out.numel(), 1024),)](parts, out, out.numel(), BLOCK=1024, num_warps=4)
    return out


def _chunk_buffers(x: Tensor, chunks: int, sizes: Sizes, count: int) -> tuple[Tensor, ...]:
    shape = (x.shape[0], DIRECTIONS, chunks)
    sums = x.new_empty(*shape, sizes.d, dtype=torch.float32)
    return sums, *(x.new_empty(*shape, sizes.states_n, sizes.d, dtype=torch.float32) for _ in range(count))


def _contiguous(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor.contiguous() for tensor in tensors)
