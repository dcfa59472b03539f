"""H0 persistence of distance matrices: the edges of their minimum spanning trees.

>>> edges, lengths = persistence(distances)

`reference.py` is the definition, `cpu.py` (numba) and `triton.py` are fast. `VITRAIL_KERNELS` chooses; see
`vitrail_training.kernels.choose`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail.errors import InputError
from vitrail_topofr.kernels.persistence import backends
from vitrail_topofr.kernels.persistence.backends import doctor
from vitrail_topofr.kernels.persistence.op import persistence_op

__all__ = ["doctor", "persistence"]

MOST = 65536
TOLERANCE = 1e-5


def persistence(
    distances: Tensor, *, check: bool = True, backend: str | None = None
) -> tuple[Tensor, Tensor]:
    """The finite pairs of the 0-dimensional Vietoris-Rips persistence: births are 0, deaths are the lengths.

    Args:
        distances: (B, n, n) or (n, n), any float dtype, symmetric; the diagonal is not read. Where a matrix
            is symmetric only up to rounding (1e-5 of its largest entry), the upper triangle counts.
        check: look for NaN and asymmetry. On a GPU that waits for the device; leave it out for matrices that
            cannot have them. A matrix with NaN then gives a tree without meaning, one that is not symmetric
            any n - 1 edges.
        backend: overrides `VITRAIL_KERNELS`.

    Returns:
        edges (B, n - 1, 2) int64, the lower vertex first, and lengths (B, n - 1) in the dtype of the
        distances, both in ascending order of (length, i n + j). That order makes the tree unique, so every
        backend gives the same edges. Without B where the input has none.

    Raises:
        InputError: a matrix with NaN, or one that is not symmetric; the message names the entry.
        UsageError: a backend was asked for that is unknown or cannot run here.
        ValueError: another shape, or a dtype that is not float.

    Source: TopoFR, NeurIPS 2024; the lengths have gradients, which flow to the entries of the edges.
    """
    _check_shape(distances)
    single = distances.dim() == 2
    matrices = distances.unsqueeze(0) if single else distances
    name = backends.pick(matrices, backend)
    if check and not _sound(matrices.detach(), name):
        matrices = _mended(matrices)
    if name == "cpu" and _plain(matrices):
        from vitrail_topofr.kernels.persistence import cpu

        edges, lengths = cpu.pairs(matrices)
    else:
        lengths, places = persistence_op(matrices, name)
        n = max(matrices.shape[-1], 1)
        edges = torch.stack((places // n, places % n), dim=-1)
    return (edges[0], lengths[0]) if single else (edges, lengths)


def _check_shape(distances: Tensor) -> None:
    if distances.dim() not in (2, 3) or distances.shape[-1] != distances.shape[-2]:
        raise ValueError(f"distances have shape {tuple(distances.shape)}; wanted is (B, n, n) or (n, n).")
    if not distances.dtype.is_floating_point:
        raise ValueError(f"distances must be of a float dtype; they are {distances.dtype}.")
    if distances.shape[-1] > MOST:
        raise ValueError(f"distances are of {distances.shape[-1]} points; at most {MOST} are taken.")


def _plain(matrices: Tensor) -> bool:
    """Whether there is nothing that only the op can do: a gradient, a trace, or no edges at all."""
    differentiable = torch.is_grad_enabled() and matrices.requires_grad
    return not (differentiable or torch.compiler.is_compiling()) and (
        type(matrices) is Tensor and matrices.shape[1] > 1
    )


def _sound(matrices: Tensor, name: str) -> bool:
    """No NaN, and equal to the transpose exactly."""
    if name == "cpu" and not torch.compiler.is_compiling():
        from vitrail_topofr.kernels.persistence import cpu

        return cpu.sound(matrices)
    return bool((matrices == matrices.mT).all())  # NaN equals nothing


def _mended(matrices: Tensor) -> Tensor:
    """The matrices with the upper triangle mirrored; InputError where that changes more than rounding."""
    values = matrices.detach()
    if values.isnan().any():
        b, i, j = (int(index) for index in values.isnan().nonzero()[0])
        raise InputError(
            f"The distances hold NaN, first at [{b}, {i}, {j}]; wanted are numbers. Look where they come from."
        )
    finite = values.masked_fill(values.isinf(), 0)
    off = torch.where(
        values == values.mT, 0, (finite - finite.mT).abs().masked_fill(values.isinf(), torch.inf)
    )
    relative = off / finite.abs().amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)
    if (relative > TOLERANCE).any():
        place = int(relative.argmax())
        b, rest = divmod(place, values.shape[1] * values.shape[2])
        i, j = divmod(rest, values.shape[2])
        raise InputError(
            f"The distances are not symmetric: [{b}, {i}, {j}] is {values[b, i, j]:.6g} and [{b}, {j}, {i}] is "
            f"{values[b, j, i]:.6g}; wanted is the same both ways."
        )
    return matrices.triu() + matrices.triu(1).mT
