"""The op `vitrail_transface::amplitude_mix`, for torch.library. It has no gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_training.kernels.backends import Backends

LARGEST = 16
"""Side of the largest patch: the size of the tile that a Triton program holds a patch in."""

BACKENDS = Backends("transface's amplitude_mix", __package__, cpu=False)


@torch.library.custom_op(
    "vitrail_transface::amplitude_mix",
    mutates_args=(),
    schema="(Tensor images, Tensor targets, Tensor donors, Tensor share, Tensor active, int patch, float scale,"
    " float shift, float low, float high, bool floor, str backend) -> Tensor",
)
def amplitude_mix_op(
    images: Tensor,
    targets: Tensor,
    donors: Tensor,
    share: Tensor,
    active: Tensor,
    patch: int,
    scale: float,
    shift: float,
    low: float,
    high: float,
    floor: bool,
    backend: str,
) -> Tensor:
    """The images with the active patches mixed; see amplitude_mix."""
    if images.numel() == 0 or targets.numel() == 0:
        return images.clone(memory_format=torch.contiguous_format)
    return BACKENDS.module(backend).forward(
        images, targets, donors, share, active, patch, scale, shift, low, high, floor
    )


@amplitude_mix_op.register_fake
def _fake(images: Tensor, *_: object) -> Tensor:
    return torch.empty_like(images, memory_format=torch.contiguous_format)
