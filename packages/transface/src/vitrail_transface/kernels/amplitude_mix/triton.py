"""amplitude_mix on an NVIDIA GPU: gather, DFT, mix, inverse and scatter of one patch in one program.

The DFT of a patch X is W X W with W = cos - i sin, (patch x patch); all matrices are padded with zeros to 16 x 16, so
that every step is a small product in registers. Products are float32 throughout, without TF32.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from vitrail_training.kernels.device import device_of
from vitrail_transface.kernels.amplitude_mix.op import LARGEST
from vitrail_transface.kernels.amplitude_mix.reference import NOISE

WARPS = 4


@triton.jit
def _dot(a, b):
    return tl.dot(a, b, input_precision="ieee")


@triton.jit
def _spectrum(x, cos, sin):
    """Real and imaginary part of W x W."""
    real, imaginary = _dot(cos, x), -_dot(sin, x)
    return _dot(real, cos) + _dot(imaginary, sin), _dot(imaginary, cos) - _dot(real, sin)


@triton.jit
def _corner(number, channels, height, width, PATCH: tl.constexpr):
    """Where the first channel of a patch begins."""
    columns = width // PATCH
    cells = (height // PATCH) * columns
    image, cell = number // cells, number % cells
    return image * channels * height * width + (cell // columns) * PATCH * width + (cell % columns) * PATCH


@triton.jit
def mix_patch(
    images, mixed, targets, donors, share, active, cosines, sines,
    channels, height, width, scale, shift, low, high,
    PATCH: tl.constexpr, PAD: tl.constexpr, FLOOR: tl.constexpr, NOISE: tl.constexpr,
):  # fmt: skip
    """mixed (B, C, H, W), a copy of images on entry; grid (P,)."""
    p = tl.program_id(0)
    if tl.load(active + p) != 0:
        i = tl.arange(0, PAD)
        table = i[:, None] * PAD + i[None, :]
        cos, sin = tl.load(cosines + table), tl.load(sines + table)
        inside = (i < PATCH)[:, None] & (i < PATCH)[None, :]
        pixels = i[:, None] * width + i[None, :]
        s = tl.load(share + p).to(tl.float32)
        own = _corner(tl.load(targets + p).to(tl.int64), channels, height, width, PATCH)
        other = _corner(tl.load(donors + p).to(tl.int64), channels, height, width, PATCH)
        channel = 0
        while (
            channel < channels
        ):  # while, not range: the interpreter of triton 3.6 cannot count to a number that is not a constant
            x = tl.load(images + other + pixels, mask=inside, other=0.0).to(tl.float32)
            real, imaginary = _spectrum(tl.where(inside, x * scale + shift, 0.0), cos, sin)
            amplitude = tl.sqrt(real * real + imaginary * imaginary)

            x = tl.load(images + own + pixels, mask=inside, other=0.0).to(tl.float32)
            x = tl.where(inside, x * scale + shift, 0.0)
            real, imaginary = _spectrum(x, cos, sin)
            magnitude = tl.sqrt(real * real + imaginary * imaginary)
            without_phase = magnitude <= NOISE * tl.sum(tl.sum(tl.abs(x), axis=1), axis=0)
            ratio = amplitude / tl.where(without_phase, 1.0, magnitude)
            real = (1.0 - s) * real + s * tl.where(without_phase, amplitude, ratio * real)
            imaginary = (1.0 - s) * imaginary + s * tl.where(without_phase, 0.0, ratio * imaginary)

            # The inverse is the same with +i, divided by the number of pixels; the result is real.
            halfway, cross = _dot(cos, real) - _dot(sin, imaginary), _dot(cos, imaginary) + _dot(sin, real)
            y = (_dot(halfway, cos) - _dot(cross, sin)) * (1.0 / (PATCH * PATCH))
            y = tl.minimum(tl.maximum(y, low), high)
            if FLOOR:
                y = tl.floor(y)
            tl.store(mixed + own + pixels, (y - shift) / scale, mask=inside)
            own += height * width
            other += height * width
            channel += 1


def forward(
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
) -> Tensor:
    """As reference.amplitude_mix_reference."""
    images = images.contiguous()
    mixed = images.clone()
    per_patch = (targets.contiguous(), donors.contiguous(), share.contiguous())
    active = active.contiguous().view(torch.uint8)
    channels, height, width = images.shape[1:]
    with device_of(images):
        mix_patch[(targets.numel(),)](
            images, mixed, *per_patch, active, *_tables(patch, images.device),
            channels, height, width, float(scale), float(shift), float(low), float(high),
            PATCH=patch, PAD=LARGEST, FLOOR=floor, NOISE=NOISE, num_warps=WARPS,
        )  # fmt: skip
    return mixed


@lru_cache(maxsize=16)
def _tables(patch: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of 2 pi j k / patch, (16, 16) float32 each, zero beyond the patch."""
    k = torch.arange(patch, dtype=torch.float64)
    angles = 2 * torch.pi * (k[:, None] * k % patch) / patch
    tables = torch.zeros(2, LARGEST, LARGEST, dtype=torch.float64)
    tables[:, :patch, :patch] = torch.stack([angles.cos(), angles.sin()])
    cosines, sines = tables.float().to(device)
    return cosines, sines
