"""Sums by class over all pixels, from which a class's prototype follows: a product of Gaussians is a sum in these.

>>> precision, weighted, count = class_sums(mean, variance, labels, classes=21)
>>> prototype_variance, prototype_mean = 1 / precision, weighted / precision

`reference.py` is the definition, `cpu.py` (numba) and `triton.py` are fast. `VITRAIL_KERNELS` chooses; see
`vitrail_training.kernels.choose`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_prcl.kernels.prototypes.op import BACKENDS, class_sums_op

__all__ = ["BACKENDS", "class_sums", "doctor", "pick"]

doctor = BACKENDS.doctor


@torch.compiler.assume_constant_result
def pick(mean: Tensor, backend: str | None = None) -> str:
    """The backend that runs for such pixels."""
    return BACKENDS.pick(mean, backend)


def class_sums(
    mean: Tensor, variance: Tensor, labels: Tensor, classes: int, *, backend: str | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """What the pixels of each class add up to. There is no gradient: the results are constants for autograd.

    They are additive: sums of two batches, or of two ranks, are added. In float64, so that neither the order of the
    pixels nor how they are divided shows (relative differences stay below 1e-12).

    Args:
        mean, variance: (P, D), any float dtypes; variance positive.
        labels: (P,) int64, 0 to classes - 1; a pixel with a negative label is left out.
        classes: C.
        backend: overrides `VITRAIL_KERNELS`.

    Returns:
        precision (C, D) float64, the sum of 1 / variance; weighted (C, D) float64, that of mean / variance; count (C,)
        int64. All are zero for a class without pixels. But for the reference on a GPU the same input gives the same
        bits. A label of C or more is an IndexError on the CPU; on a GPU it is left out by Triton.

    Raises:
        UsageError: a backend was asked for that is unknown or cannot run here.
        ValueError: shapes or dtypes that do not fit together.

    Source: PRCL, IJCV 2024, arXiv 2402.18117: a prototype is the product of its pixels' Gaussians.
    """
    if mean.dim() != 2 or variance.shape != mean.shape:
        raise ValueError(
            f"mean and variance have shapes {tuple(mean.shape)} and {tuple(variance.shape)}; wanted is (P, D) for both."
        )
    if not (mean.dtype.is_floating_point and variance.dtype.is_floating_point):
        raise ValueError(f"mean is {mean.dtype} and variance {variance.dtype}; wanted are floats.")
    if labels.shape != mean.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)}; wanted is int64 ({len(mean)},)."
        )
    if classes < 1:
        raise ValueError(f"classes is {classes}; wanted is at least 1.")
    widest = torch.promote_types(mean.dtype, variance.dtype)
    name = pick(mean[:1].to(widest), backend)
    with torch.no_grad():
        return class_sums_op(mean.detach(), variance.detach(), labels, classes, name)
