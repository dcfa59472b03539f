"""The strong view: changes of colour and sharpness, and of size, of a normalised batch on its device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vitrail_prcl.mixing import Views
from vitrail_prcl.train_config import StrongConfig
from vitrail_training.images import gaussian_blur, jitter

SIGMAS = 2
"""A blur's kernel reaches this many sigmas to each side."""


class Strong:
    """Changes of images (B, bands, H, W) that are normalised as (value - mean) / std.

    Three bands of uint8 are taken for red, green and blue: they are jittered as torchvision does, in brightness,
    contrast, saturation and hue. Any other bands get a gain and an offset each.
    """

    def __init__(
        self, config: StrongConfig, *, mean: tuple[float, ...], std: tuple[float, ...], rgb: bool
    ) -> None:
        self.config, self.rgb = config, rgb
        self.mean = torch.tensor(mean).view(1, -1, 1, 1)
        self.std = torch.tensor(std).view(1, -1, 1, 1)

    @torch.no_grad()
    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Each image is jittered, and blurred, with its own probability and strength.

        generator: of the CPU; the strengths are drawn there, so that nothing waits for the device.
        """
        config, count = self.config, len(images)
        jittered = (torch.rand(count, generator=generator) < config.jitter_probability).nonzero()[:, 0]
        blurred = (torch.rand(count, generator=generator) < config.blur_probability).nonzero()[:, 0]
        images = images.clone()
        if len(jittered):
            where = jittered.to(images.device, non_blocking=True)
            change = self._rgb if self.rgb else self._bands
            images[where] = change(images[where], generator)
        if len(blurred):
            where = blurred.to(images.device, non_blocking=True)
            low, high = config.blur_sigma
            sigma = low + (high - low) * torch.rand(len(blurred), generator=generator)
            side = min(2 * round(SIGMAS * high) + 1, *(2 * n - 1 for n in images.shape[-2:]))
            images[where] = gaussian_blur(images[where], sigma, kernel=(side, side))
        if config.noise:
            images += config.noise * torch.randn(images.shape, generator=generator).to(images.device)
        return images

    def _rgb(self, images: Tensor, generator: torch.Generator) -> Tensor:
        count, config = len(images), self.config
        strengths = torch.tensor([config.brightness, config.contrast, config.saturation, config.hue])
        factors = strengths * (2 * torch.rand(count, 4, generator=generator) - 1) + torch.tensor(
            [1.0, 1, 1, 0]
        )
        order = torch.rand(count, 4, generator=generator).argsort(dim=1)
        mean, std = (x.to(images.device) for x in (self.mean, self.std))
        colours = ((images * std + mean) / 255).clamp(0, 1)
        return (jitter(colours, factors, order) * 255 - mean) / std

    def _bands(self, images: Tensor, generator: torch.Generator) -> Tensor:
        shape = (2, len(images), images.shape[1], 1, 1)
        gain, offset = (2 * torch.rand(shape, generator=generator) - 1).to(images.device)
        return images * (1 + self.config.contrast * gain) + self.config.brightness * offset


@torch.no_grad()
def resize_views(views: Views, scales: tuple[float, float], generator: torch.Generator) -> Views:
    """Each image enlarged by its own factor from `scales`, cut or extended to its size at a random place.

    Beyond an image's edge there is its mirror image, without labels. generator: of the CPU.
    """
    low, high = scales
    if low == high == 1:
        return views
    images, labels, confidence = views
    count, (height, width) = len(images), images.shape[-2:]
    scale = low + (high - low) * torch.rand(count, generator=generator)
    # Where the view's middle lies in the image, in the units of grid_sample (-1 to 1): anywhere that keeps the smaller
    # of the two inside the larger.
    slack = (1 - 1 / scale).abs()[:, None]
    middle = slack * (2 * torch.rand(count, 2, generator=generator) - 1)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / scale
    theta[:, :, 2] = middle
    grid = F.affine_grid(theta.to(images.device), [count, 1, height, width], align_corners=False)
    images = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    both = torch.stack((labels.float(), confidence), dim=1)
    both = F.grid_sample(both, grid, mode="nearest", padding_mode="border", align_corners=False)
    inside = (grid.abs() <= 1).all(dim=-1)
    return Views(images, both[:, 0].long().masked_fill(~inside, -1), both[:, 1].masked_fill(~inside, 0.0))
