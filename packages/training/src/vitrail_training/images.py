"""Changes of a batch of images, each image with its own strength, on the batch's device.

They are torchvision's, which takes one strength for all, an image at a time for many.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GREY = (0.2989, 0.587, 0.114)
"""Shares of red, green and blue in the luma (ITU-R BT.601)."""


def gaussian_blur(images: Tensor, sigma: Tensor, *, kernel: tuple[int, int]) -> Tensor:
    """Blur each image (B, C, H, W) with its own sigma (B,) above 0, in pixels; edges by reflection.

    kernel: height and width of the Gaussian, odd; both at most twice the image's sides less one.
    """
    batch, channels, height, width = images.shape
    sigma = sigma.to(images.device, images.dtype, non_blocking=True).repeat_interleave(channels)
    flat = images.reshape(1, batch * channels, height, width)
    down, across = (size // 2 for size in kernel)
    flat = F.pad(flat, (across, across, down, down), mode="reflect")
    flat = F.conv2d(flat, _gaussian(sigma, kernel[0])[:, None, :, None], groups=batch * channels)
    flat = F.conv2d(flat, _gaussian(sigma, kernel[1])[:, None, None, :], groups=batch * channels)
    return flat.view(images.shape)


def _gaussian(sigma: Tensor, size: int) -> Tensor:
    """(S,) -> (S, size), each row of sum 1."""
    steps = torch.arange(size, device=sigma.device, dtype=sigma.dtype) - (size - 1) / 2
    weights = (-0.5 * (steps / sigma[:, None]).square()).exp()
    return weights / weights.sum(dim=1, keepdim=True)


def grey(images: Tensor) -> Tensor:
    """Luma of (B, 3, H, W) -> (B, 1, H, W)."""
    return sum(share * images[:, k : k + 1] for k, share in enumerate(GREY))


def jitter(images: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue of images (B, 3, H, W) in 0 to 1, each image in its own order.

    factors: (B, 4); order: (B, 4), which of the four comes first, second, third and last; both on the CPU.
    """
    changes = (_brightness, _contrast, _saturation, _hue)
    images = images.clone()
    strengths = factors.to(images.device, images.dtype, non_blocking=True)
    for turn in range(4):
        for number, change in enumerate(changes):
            group = (order[:, turn] == number).nonzero()[:, 0]
            if len(group):
                where = group.to(images.device, non_blocking=True)
                images[where] = change(images[where], strengths[where, number].view(-1, 1, 1, 1))
    return images


def _brightness(images: Tensor, factor: Tensor) -> Tensor:
    return (images * factor).clamp(0, 1)


def _contrast(images: Tensor, factor: Tensor) -> Tensor:
    mean = grey(images).mean(dim=(1, 2, 3), keepdim=True)
    return (factor * images + (1 - factor) * mean).clamp(0, 1)


def _saturation(images: Tensor, factor: Tensor) -> Tensor:
    return (factor * images + (1 - factor) * grey(images)).clamp(0, 1)


def _hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue in HSV by `shift` turns. Each channel is a ramp of the hue, which avoids the six cases."""
    value, least = images.amax(dim=1, keepdim=True), images.amin(dim=1, keepdim=True)
    chroma = value - least
    red, green, blue = images.split(1, dim=1)
    safe = chroma.where(chroma > 0, 1)
    sixths = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sixths = sixths + 6 * shift
    ramps = (sixths + torch.arange(5, 0, -2, device=images.device).view(1, 3, 1, 1)) % 6
    return (value - chroma * torch.minimum(ramps, 4 - ramps).clamp(0, 1)).clamp(0, 1)
