"""The op `vitrail_topofr::persistence` and its gradient, for torch.library."""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_topofr.kernels.persistence import backends


@torch.library.custom_op(
    "vitrail_topofr::persistence",
    mutates_args=(),
    schema="(Tensor distances, str backend) -> (Tensor, Tensor)",
)
def persistence_op(distances: Tensor, backend: str) -> tuple[Tensor, Tensor]:
    """Matrices (B, n, n) -> lengths (B, n - 1) ascending, and the places i n + j, i < j, of their edges."""
    distances = distances.detach()
    if distances.shape[0] == 0 or distances.shape[1] < 2:
        return _fake(distances, backend)
    places = backends.trees(backend)(distances)
    return distances.flatten(1).gather(1, places), places


@persistence_op.register_fake
def _fake(distances: Tensor, backend: str) -> tuple[Tensor, Tensor]:
    shape = (distances.shape[0], max(distances.shape[1] - 1, 0))
    return distances.new_empty(shape), distances.new_empty(shape, dtype=torch.int64)


def _setup_context(ctx, inputs, output) -> None:
    distances, _ = inputs
    _, places = output
    ctx.mark_non_differentiable(places)
    ctx.save_for_backward(places)
    ctx.shape = distances.shape


def _backward(ctx, dlengths: Tensor, _: Tensor | None) -> tuple[Tensor, None]:
    """The choice of edges is constant: an edge's gradient goes to the entry that it was read from."""
    (places,) = ctx.saved_tensors
    flat = dlengths.new_zeros(ctx.shape[0], ctx.shape[1] * ctx.shape[2])
    return flat.scatter(1, places, dlengths).view(ctx.shape), None


persistence_op.register_autograd(_backward, setup_context=_setup_context)
