"""The op `vitrail_recognition::class_softmax` and its gradient, for torch.library.

Between the passes it keeps the inputs, `rest` (B,) and the inverse norms of the centres (C,); logits are computed
again in the backward pass.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_recognition.kernels.class_softmax import backends

_INPUTS = "Tensor embeddings, Tensor centres, Tensor labels, float scale, float threshold"


def real(embeddings: Tensor, centres: Tensor) -> torch.dtype:
    """What sums and results are computed in."""
    both = torch.promote_types(embeddings.dtype, centres.dtype)
    return torch.promote_types(both, torch.float32)


@torch.library.custom_op(
    "vitrail_recognition::class_softmax",
    mutates_args=(),
    schema=f"({_INPUTS}, bool want_mean, str precision, int block, str backend)"
    " -> (Tensor, Tensor, Tensor, Tensor)",
)
def class_softmax_op(
    embeddings: Tensor,
    centres: Tensor,
    labels: Tensor,
    scale: float,
    threshold: float,
    want_mean: bool,
    precision: str,
    block: int,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """rest, target, mean (B,) and the inverse norms (C,); inputs as in reference.py.

    precision: "float32", or the dtype of the matrix products where the backend has shorter ones. block: classes at
    a time, 0 for what suits the backend.
    """
    embeddings, centres = embeddings.detach(), centres.detach()
    if embeddings.numel() == 0 or centres.numel() == 0:
        rest, target, mean, norms = (tensor.zero_() for tensor in _fake(embeddings, centres, *[None] * 7))
        return rest.fill_(-torch.inf), target, mean, norms
    with torch.autocast(embeddings.device.type, enabled=False):
        return backends.forward(backend)(
            embeddings, centres, labels, scale, threshold, want_mean, precision, block
        )


@class_softmax_op.register_fake
def _fake(
    embeddings: Tensor,
    centres: Tensor,
    labels: Tensor,
    scale: float,
    threshold: float,
    want_mean: bool,
    precision: str,
    block: int,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    dtype = real(embeddings, centres)
    numbers = [embeddings.new_empty(len(embeddings), dtype=dtype) for _ in range(3)]
    return numbers[0], numbers[1], numbers[2], centres.new_empty(len(centres), dtype=dtype)


@torch.library.custom_op(
    "vitrail_recognition::class_softmax_backward",
    mutates_args=(),
    schema=f"(Tensor grad_rest, Tensor grad_target, Tensor rest, Tensor inverse_norms, {_INPUTS}, str precision,"
    " int block, str backend) -> (Tensor, Tensor)",
)
def class_softmax_backward_op(
    grad_rest: Tensor,
    grad_target: Tensor,
    rest: Tensor,
    inverse_norms: Tensor,
    embeddings: Tensor,
    centres: Tensor,
    labels: Tensor,
    scale: float,
    threshold: float,
    precision: str,
    block: int,
    backend: str,
) -> tuple[Tensor, Tensor]:
    """The gradients of embeddings and centres, in their shapes and dtypes."""
    if embeddings.numel() == 0 or centres.numel() == 0:
        return torch.zeros(embeddings.shape).to(embeddings), torch.zeros(centres.shape).to(centres)
    with torch.autocast(embeddings.device.type, enabled=False):
        return backends.backward(backend)(
            grad_rest, grad_target, rest, inverse_norms, embeddings, centres, labels,
            scale, threshold, precision, block,
        )  # fmt: skip


@class_softmax_backward_op.register_fake
def _fake_backward(
    grad_rest: Tensor,
    grad_target: Tensor,
    rest: Tensor,
    inverse_norms: Tensor,
    embeddings: Tensor,
    centres: Tensor,
    labels: Tensor,
    scale: float,
    threshold: float,
    precision: str,
    block: int,
    backend: str,
) -> tuple[Tensor, Tensor]:
    return (
        torch.empty_like(embeddings, memory_format=torch.contiguous_format),
        torch.empty_like(centres, memory_format=torch.contiguous_format),
    )


def _setup_context(ctx, inputs, output) -> None:
    embeddings, centres, labels, scale, threshold, _, precision, block, backend = inputs
    rest, _, mean, inverse_norms = output
    ctx.mark_non_differentiable(mean, inverse_norms)
    ctx.save_for_backward(rest, inverse_norms, embeddings, centres, labels)
    ctx.options = scale, threshold, precision, block, backend


def _backward(ctx, grad_rest: Tensor, grad_target: Tensor, *_unused: Tensor | None) -> tuple:
    gradients = class_softmax_backward_op(grad_rest, grad_target, *ctx.saved_tensors, *ctx.options)
    return *gradients, *[None] * 7


class_softmax_op.register_autograd(_backward, setup_context=_setup_context)
