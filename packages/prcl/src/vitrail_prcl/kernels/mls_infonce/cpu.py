"""The contrastive loss on the CPU, compiled by numba: float32, an anchor at a time, as many threads as torch has."""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_prcl.kernels.mls_infonce.reference import SMALLEST
from vitrail_training.kernels import threads
from vitrail_training.kernels.compiled import import_compiled

_kernels = import_compiled(f"{__name__.rpartition('.')[0]}.cpu_kernels")
BLOCK = 16  # anchors of one task


def forward(
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
) -> tuple[Tensor, Tensor, Tensor]:
    """As reference.forward, for float32 and narrower anchors."""
    given = variance.float()
    floats = (
        mean.float(), given.clamp_min(SMALLEST), positive_mean, positive_variance, key_mean, key_variance,
        virtual_mean,
    )  # fmt: skip
    inputs = [
        *(x.float().contiguous().numpy() for x in floats),
        *(x.contiguous().numpy() for x in (group, index)),
    ]
    count, width = mean.shape
    loss = torch.empty(count)
    by_mean, by_variance = torch.zeros(count, width), torch.zeros(count, width)
    outputs = [x.numpy() for x in (loss, by_mean, by_variance)]

    def task(first: int) -> None:
        _kernels.anchors(*inputs, shared, scale, first, min(first + BLOCK, count), *outputs)

    work = BLOCK * (1 + index.shape[1] + virtual_mean.shape[1]) * width
    threads.each(task, range(0, count, BLOCK), work=work)
    return loss, by_mean, by_variance.masked_fill_(given < SMALLEST, 0)
