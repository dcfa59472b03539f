"""The contrastive loss on an NVIDIA GPU: one launch for the anchors of all classes, in float32."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from vitrail_prcl.kernels.mls_infonce import triton_kernels as kernels
from vitrail_training.kernels.device import device_of

TILE = 2048
"""Elements of the keys that a program holds at a time."""

NARROWEST = 16
KEPT = (torch.float32, torch.bfloat16, torch.float16)  # dtypes that are read as they are


def blocks(width: int) -> dict[str, int]:
    """The constants of a launch for D = `width`."""
    padded = max(NARROWEST, triton.next_power_of_2(width))
    return {"D": width, "BD": padded, "ROWS": max(1, min(64, TILE // padded))}


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
    """As reference.forward."""
    own = mean, variance, group
    positives = (x.float() for x in (positive_mean, positive_variance))
    keys = (x if x.dtype in KEPT else x.float() for x in (key_mean, key_variance))
    inputs = [x.contiguous() for x in (*own, *positives, *keys, index, virtual_mean.float())]
    loss = mean.new_empty(len(mean), dtype=torch.float32)
    slopes = [mean.new_empty(mean.shape, dtype=torch.float32) for _ in range(2)]
    with device_of(mean):
        kernels.anchor[(len(mean),)](
            *inputs, loss, *slopes, index.shape[1], virtual_mean.shape[1], scale,
            **blocks(mean.shape[1]), SHARED=shared, num_warps=4,
        )  # fmt: skip
    return loss, *slopes
