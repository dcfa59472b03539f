"""The op `vitrail_prcl::class_sums`, for torch.library. It has no gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_training.kernels.backends import Backends

BACKENDS = Backends("prcl's prototypes", __package__)


@torch.library.custom_op(
    "vitrail_prcl::class_sums",
    mutates_args=(),
    schema="(Tensor mean, Tensor variance, Tensor labels, int classes, str backend) -> (Tensor, Tensor, Tensor)",
)
def class_sums_op(
    mean: Tensor, variance: Tensor, labels: Tensor, classes: int, backend: str
) -> tuple[Tensor, Tensor, Tensor]:
    """precision, weighted (C, D) and count (C,); see class_sums."""
    if mean.device.type == "cpu" and labels.numel() and labels.max() >= classes:
        raise IndexError(f"labels go up to {labels.max()}; wanted is at most {classes - 1}.")
    if mean.numel() == 0:
        precision, weighted, count = _fake(mean, variance, labels, classes, backend)
        return precision.zero_(), weighted.zero_(), count.zero_()
    return BACKENDS.module(backend).forward(mean, variance, labels, classes)


@class_sums_op.register_fake
def _fake(
    mean: Tensor, variance: Tensor, labels: Tensor, classes: int, backend: str
) -> tuple[Tensor, Tensor, Tensor]:
    precision, weighted = (mean.new_empty(classes, mean.shape[1], dtype=torch.float64) for _ in range(2))
    return precision, weighted, labels.new_empty(classes)
