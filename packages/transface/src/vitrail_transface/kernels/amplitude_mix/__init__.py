"""Mix the amplitude spectrum of image patches with that of donor patches, keeping the phase: the step inside DPAP.

>>> mixed = amplitude_mix(images, targets, donors, share, active)

`reference.py` is the definition and what a CPU runs, `triton.py` is for GPUs. `VITRAIL_KERNELS` chooses. There is no
gradient: this is augmentation of the input, and the result is a constant for autograd.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_transface.kernels.amplitude_mix.op import BACKENDS, LARGEST, amplitude_mix_op

__all__ = ["BACKENDS", "amplitude_mix", "pick"]


@torch.compiler.assume_constant_result
def pick(images: Tensor, backend: str | None = None) -> str:
    """The backend that runs for such images."""
    return BACKENDS.pick(images, backend)


def amplitude_mix(
    images: Tensor,
    targets: Tensor,
    donors: Tensor,
    share: Tensor,
    active: Tensor,
    *,
    patch: int = 9,
    scale: float = 127.5,
    shift: float = 127.5,
    low: float = 0.0,
    high: float = 255.0,
    floor: bool = False,
    backend: str | None = None,
) -> Tensor:
    """A copy of `images` in which some patches have got a share of other patches' amplitude.

    The patches of all images are numbered image by image and row by row, from 0 to B (H // patch) (W // patch) - 1. A
    patch's pixels become `scale * x + shift` before the mix and return to the images' own values after it.

    Args:
        images: (B, C, H, W), any float dtype.
        targets: (P,) integers, the patches to perturb, each of them once.
        donors: (P,) integers, where each one's other amplitude comes from: always `images` as they were handed in.
        share: (P,) floats from 0 to 1, how much of the amplitude is the donor's.
        active: (P,) bool; the others are left alone, so that their number need not be known on the host.
        patch: side of a patch in pixels, 2 to 16. Pixels beyond the last whole patch are never read or changed.
        scale, shift: from the images' values to those that are mixed, by default from -1..1 to 0..255.
        low, high: the mixed values are clipped to these.
        floor: cut the mixed values down to whole numbers.
        backend: overrides `VITRAIL_KERNELS`.

    Returns:
        (B, C, H, W) in the images' dtype; what lies outside the active patches is bit-identical. Patch numbers out of
        range are an error on the CPU and undefined on a GPU.

    Raises:
        UsageError: a backend was asked for that is unknown or cannot run here.
        ValueError: shapes or dtypes that do not fit together.

    Source: TransFace, arXiv 2308.10133: dominant patch amplitude perturbation.
    """
    _check(images, targets, donors, share, active, patch)
    with torch.no_grad():
        return amplitude_mix_op(
            images.detach(), targets, donors, share.detach(), active,
            patch, scale, shift, low, high, floor, pick(images, backend),
        )  # fmt: skip


def _check(
    images: Tensor, targets: Tensor, donors: Tensor, share: Tensor, active: Tensor, patch: int
) -> None:
    if images.dim() != 4 or not images.dtype.is_floating_point:
        raise ValueError(
            f"images are {images.dtype} of shape {tuple(images.shape)}; wanted are floats (B, C, H, W)."
        )
    if not 2 <= patch <= LARGEST:
        raise ValueError(f"patch is {patch}; wanted is a side from 2 to {LARGEST} pixels.")
    if min(images.shape[2:]) < patch:
        raise ValueError(f"images of {images.shape[2]} x {images.shape[3]} hold no patch of {patch} pixels.")
    for name, tensor in (("targets", targets), ("donors", donors), ("share", share), ("active", active)):
        if tensor.shape != targets.shape or tensor.dim() != 1:
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}; wanted is (P,), one entry a patch, as for targets."
            )
    if targets.dtype not in (torch.int32, torch.int64) or donors.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"targets are {targets.dtype} and donors {donors.dtype}; wanted are int64 or int32.")
    if not share.dtype.is_floating_point or active.dtype != torch.bool:
        raise ValueError(f"share is {share.dtype} and active {active.dtype}; wanted are floats and bools.")
