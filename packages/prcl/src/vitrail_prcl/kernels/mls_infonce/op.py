"""The op `vitrail_prcl::mls_infonce` and its gradient, for torch.library.

Each loss depends on one anchor alone, so its gradients are known up to a factor as soon as the loss is. They are
computed together, and are what is kept for the backward pass; the keys are not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_training.kernels.backends import Backends

WIDEST = 2048
"""Dimensions of which Triton holds a row in registers."""


def _too_wide(x: Tensor) -> str:
    return f"it takes at most {WIDEST} dimensions" if x.dim() == 2 and x.shape[1] > WIDEST else ""


BACKENDS = Backends("prcl's mls_infonce", __package__, refuses=_too_wide)


@torch.library.custom_op(
    "vitrail_prcl::mls_infonce",
    mutates_args=(),
    schema="(Tensor mean, Tensor variance, Tensor group, Tensor positive_mean, Tensor positive_variance,"
    " Tensor key_mean, Tensor key_variance, Tensor index, Tensor virtual_mean, float scale, bool shared, str backend)"
    " -> (Tensor, Tensor, Tensor)",
)
def mls_infonce_op(
    mean: Tensor,
    variance: Tensor,
    group: Tensor,
    positive_mean: Tensor,
    positive_variance: Tensor,
    key_mean: Tensor,
    key_variance: Tensor,
    index: Tensor,
    virtual_mean: Tensor,
    scale: float,
    shared: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss (A,), and its gradients (A, D) by mean and by variance; inputs as in reference.py."""
    if len(mean) == 0:
        return _fake(mean)
    if mean.device.type == "cpu":
        _demand_range("group", group, len(positive_mean))
        _demand_range("index", index, len(key_mean))
    return BACKENDS.module(backend).forward(
        mean, variance, group, positive_mean, positive_variance, key_mean, key_variance, index, virtual_mean,
        scale, shared,
    )  # fmt: skip


@mls_infonce_op.register_fake
def _fake(mean: Tensor, *_: object) -> tuple[Tensor, Tensor, Tensor]:
    real = torch.promote_types(mean.dtype, torch.float32)
    return mean.new_empty(len(mean), dtype=real), *(mean.new_empty(mean.shape, dtype=real) for _ in range(2))


def _demand_range(name: str, numbers: Tensor, count: int) -> None:
    if numbers.numel() and (numbers.min() < 0 or numbers.max() >= count):
        raise IndexError(
            f"{name} has numbers from {numbers.min()} to {numbers.max()}; wanted is 0 to {count - 1}."
        )


def _setup_context(ctx, inputs, output) -> None:
    _, *slopes = output
    ctx.mark_non_differentiable(*slopes)
    ctx.save_for_backward(*slopes)
    ctx.dtype = inputs[0].dtype


def _backward(ctx, arriving: Tensor, *_unused: Tensor | None) -> tuple[Tensor | None, ...]:
    mean, variance = ((arriving[:, None] * slope).to(ctx.dtype) for slope in ctx.saved_tensors)
    return mean, variance, *[None] * 10


mls_infonce_op.register_autograd(_backward, setup_context=_setup_context)
