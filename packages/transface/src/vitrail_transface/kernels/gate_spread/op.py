"""The op `vitrail_transface::gate_spread` and its gradient, for torch.library."""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_training.kernels.backends import Backends

WIDEST = 8192
"""Values of a token that the Triton kernels take; a program holds whole tokens in registers."""

BACKENDS = Backends(
    "transface's gate_spread",
    __package__,
    cpu=False,
    refuses=lambda x: (
        f"it takes tokens of up to {WIDEST} values and these have {x.shape[-1]}"
        if x.dim() == 3 and x.shape[-1] > WIDEST
        else ""
    ),
)


@torch.library.custom_op(
    "vitrail_transface::gate_spread",
    mutates_args=(),
    schema="(Tensor tokens, Tensor gate, str backend) -> (Tensor, Tensor)",
)
def gate_spread_op(tokens: Tensor, gate: Tensor, backend: str) -> tuple[Tensor, Tensor]:
    """gated (B, N, D) and spread (B, N); see gate_spread."""
    if tokens.numel() == 0:
        return _fake(tokens, gate, backend)
    return BACKENDS.module(backend).forward(tokens.detach(), gate.detach())


@gate_spread_op.register_fake
def _fake(tokens: Tensor, gate: Tensor, backend: str) -> tuple[Tensor, Tensor]:
    real = torch.promote_types(tokens.dtype, torch.float32)
    gated = torch.empty_like(tokens, memory_format=torch.contiguous_format)
    return gated, tokens.new_empty(tokens.shape[:2], dtype=real)


@torch.library.custom_op(
    "vitrail_transface::gate_spread_backward",
    mutates_args=(),
    schema="(Tensor dgated, Tensor dspread, Tensor tokens, Tensor gate, str backend) -> (Tensor, Tensor)",
)
def gate_spread_backward_op(
    dgated: Tensor, dspread: Tensor, tokens: Tensor, gate: Tensor, backend: str
) -> tuple[Tensor, Tensor]:
    """The gradients of tokens and gate, in their shapes and dtypes."""
    if tokens.numel() == 0:
        return _fake_backward(dgated, dspread, tokens, gate, backend)
    return BACKENDS.module(backend).backward(dgated, dspread, tokens, gate)


@gate_spread_backward_op.register_fake
def _fake_backward(
    dgated: Tensor, dspread: Tensor, tokens: Tensor, gate: Tensor, backend: str
) -> tuple[Tensor, Tensor]:
    return tuple(torch.empty_like(x, memory_format=torch.contiguous_format) for x in (tokens, gate))


def _setup_context(ctx, inputs, output) -> None:
    tokens, gate, ctx.backend = inputs
    ctx.save_for_backward(tokens, gate)


def _backward(ctx, dgated: Tensor, dspread: Tensor) -> tuple[Tensor, Tensor, None]:
    return *gate_spread_backward_op(dgated, dspread, *ctx.saved_tensors, ctx.backend), None


gate_spread_op.register_autograd(_backward, setup_context=_setup_context)
