"""The op `vitrail_cmunet::cross_scan` and its gradient, for torch.library.

The forward op also returns the state at the entry of every chunk. That is all the backward needs besides the
inputs: it recomputes the states inside a chunk, so no implementation stores one state per step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_cmunet.kernels.selective_scan import backends
from vitrail_cmunet.kernels.selective_scan.reference import DIRECTIONS

_INPUTS = "Tensor x, Tensor projected, Tensor dt_weight, Tensor dt_bias, Tensor A_log, Tensor D"


@torch.library.custom_op(
    "vitrail_cmunet::cross_scan",
    mutates_args=(),
    schema=f"({_INPUTS}, int chunk, str backend) -> (Tensor, Tensor)",
)
def cross_scan_op(
    x: Tensor,
    projected: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A_log: Tensor,
    D: Tensor,
    chunk: int,
    backend: str,
) -> tuple[Tensor, Tensor]:
    """y (B, H, W, d) and the states at chunk entries (B, 4, ceil(L / chunk), N, d); inputs as in reference.py."""
    inputs = tuple(tensor.detach() for tensor in (x, projected, dt_weight, dt_bias, A_log, D))
    if x.numel() == 0:
        return _fake(*inputs, chunk, backend)
    return backends.forward(backend)(*inputs, chunk)


@cross_scan_op.register_fake
def _fake(
    x: Tensor,
    projected: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A_log: Tensor,
    D: Tensor,
    chunk: int,
    backend: str,
) -> tuple[Tensor, Tensor]:
    batch, height, width, d = x.shape
    chunks = (height * width + chunk - 1) // chunk
    real = torch.float64 if x.dtype == torch.float64 else torch.float32
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    return y, x.new_empty((batch, DIRECTIONS, chunks, A_log.shape[-1], d), dtype=real)


@torch.library.custom_op(
    "vitrail_cmunet::cross_scan_backward",
    mutates_args=(),
    schema=f"(Tensor dy, Tensor states, {_INPUTS}, int chunk, str backend)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def cross_scan_backward_op(
    dy: Tensor,
    states: Tensor,
    x: Tensor,
    projected: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A_log: Tensor,
    D: Tensor,
    chunk: int,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of the six inputs, in their shapes and dtypes."""
    inputs = (x, projected, dt_weight, dt_bias, A_log, D)
    if x.numel() == 0:
        return tuple(torch.zeros_like(tensor, memory_format=torch.contiguous_format) for tensor in inputs)
    return backends.backward(backend)(dy, states, *inputs, chunk)


@cross_scan_backward_op.register_fake
def _fake_backward(
    dy: Tensor,
    states: Tensor,
    x: Tensor,
    projected: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A_log: Tensor,
    D: Tensor,
    chunk: int,
    backend: str,
) -> tuple[Tensor, ...]:
    inputs = (x, projected, dt_weight, dt_bias, A_log, D)
    return tuple(torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in inputs)


def _setup_context(ctx, inputs, output) -> None:
    *tensors, chunk, backend = inputs
    _, states = output
    ctx.mark_non_differentiable(states)
    ctx.save_for_backward(states, *tensors)
    ctx.chunk, ctx.backend = chunk, backend


def _backward(ctx, dy: Tensor, _states_gradient: Tensor | None) -> tuple:
    states, *inputs = ctx.saved_tensors
    return *cross_scan_backward_op(dy, states, *inputs, ctx.chunk, ctx.backend), None, None


cross_scan_op.register_autograd(_backward, setup_context=_setup_context)
