"""RSP, random structure perturbation: some images of a batch get one of four strong changes.

What happens to which image is drawn first, on the CPU, into a `Plan`; then each group of images with the same
change is worked on at once, on their device. The changes are those of torchvision and timm, which the tests
compare with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vitrail_topofr.config import Fidelity
from vitrail_training.images import gaussian_blur, grey, jitter

NONE, BLUR, GRAY, JITTER, ERASE = range(-1, 4)
KERNEL = (9, 5)
"""Height and width of the Gaussian kernel."""

ATTEMPTS = 10


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """From where the strength of a change is drawn, uniformly but for the aspect, whose logarithm is uniform.

    sigma: of the Gaussian, in pixels. brightness, contrast, saturation: factors. hue: shift in turns of the
        circle.
    area: share of the image that is erased. aspect: height over width of what is erased.
    """

    sigma: tuple[float, float] = (0.1, 5.0)
    brightness: tuple[float, float] = (0.1, 0.5)
    contrast: tuple[float, float] = (0.3, 0.6)
    saturation: tuple[float, float] = (0.2, 0.5)
    hue: tuple[float, float] = (-0.1, 0.3)
    area: tuple[float, float] = (0.02, 1 / 3)
    aspect: tuple[float, float] = (0.3, 1 / 0.3)


@dataclass(frozen=True)
class Plan:
    """What is done to each of B images; all on the CPU.

    operation: (B,) int64, NONE, BLUR, GRAY, JITTER or ERASE. sigma: (B,).
    factors: (B, 4), brightness, contrast, saturation and hue. order: (B, 4) int64, the order of these four.
    boxes: (B, 4) int64, top, left, height and width of what is erased.
    """

    operation: Tensor
    sigma: Tensor
    factors: Tensor
    order: Tensor
    boxes: Tensor


class Perturbed(NamedTuple):
    """The batch after RSP, and the batch whose topology it is to keep, both (B, 3, H, W) normalised."""

    images: Tensor
    clean: Tensor


def draw_plan(
    count: int,
    height: int,
    width: int,
    *,
    generator: torch.Generator,
    xi: float = 0.2,
    ranges: Ranges = Ranges(),
) -> Plan:
    """Each of `count` images is changed with probability `xi`, by one of the four, all equally likely.

    generator: of the CPU; the same one in the same state gives the same plan.
    """

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator, dtype=torch.float64)

    chosen = torch.rand(count, generator=generator) < xi
    operation = torch.randint(0, 4, (count,), generator=generator).masked_fill(~chosen, NONE)
    sigma = uniform(*ranges.sigma, count)
    strengths = (ranges.brightness, ranges.contrast, ranges.saturation, ranges.hue)
    factors = torch.stack([uniform(*strength, count) for strength in strengths], dim=1)
    order = torch.rand(count, 4, generator=generator).argsort(dim=1)

    area = uniform(*ranges.area, count, ATTEMPTS) * height * width
    aspect = uniform(math.log(ranges.aspect[0]), math.log(ranges.aspect[1]), count, ATTEMPTS).exp()
    tall, wide = (area * aspect).sqrt().round().long(), (area / aspect).sqrt().round().long()
    fits = (tall < height) & (wide < width)
    first = fits.int().argmax(dim=1, keepdim=True)
    fitting = fits.any(dim=1).long()
    tall, wide = tall.gather(1, first)[:, 0] * fitting, wide.gather(1, first)[:, 0] * fitting
    place = torch.rand(2, count, generator=generator, dtype=torch.float64)
    top, left = (place[0] * (height - tall + 1)).long(), (place[1] * (width - wide + 1)).long()
    return Plan(operation, sigma, factors, order, torch.stack((top, left, tall, wide), dim=1))


def perturb(
    images: Tensor,
    *,
    generator: torch.Generator,
    xi: float = 0.2,
    ranges: Ranges = Ranges(),
    fidelity: Fidelity = "paper",
) -> Perturbed:
    """Apply RSP to normalised images (B, 3, H, W), values in -1 to 1; they themselves are not written to.

    fidelity: in the released code erasing also reaches the clean batch, which shares the memory; "released"
        does so too.
    """
    plan = draw_plan(len(images), *images.shape[-2:], generator=generator, xi=xi, ranges=ranges)
    return apply_plan(images, plan, fidelity=fidelity)


@torch.no_grad()
def apply_plan(images: Tensor, plan: Plan, *, fidelity: Fidelity = "paper") -> Perturbed:
    """Do what `plan` says to normalised images (B, 3, H, W)."""
    if images.dim() != 4 or images.shape[1] != 3 or len(images) != len(plan.operation):
        raise ValueError(
            f"images have shape {tuple(images.shape)}; wanted is ({len(plan.operation)}, 3, H, W) for this plan."
        )
    changed = images.clone()
    for operation in (BLUR, GRAY, JITTER, ERASE):
        group = (plan.operation == operation).nonzero()[:, 0]
        if not len(group):
            continue
        where = group.to(images.device, non_blocking=True)
        chosen = images[where]
        if operation == ERASE:
            changed[where] = erase(chosen, plan.boxes[group])
            continue
        colours = chosen * 0.5 + 0.5
        if operation == BLUR:
            colours = gaussian_blur(colours, plan.sigma[group], kernel=KERNEL)
        elif operation == GRAY:
            colours = grey(colours).expand_as(colours)
        else:
            colours = jitter(colours, plan.factors[group], plan.order[group])
        changed[where] = (colours - 0.5) / 0.5
    clean = images
    if fidelity == "released":
        erased = (plan.operation == ERASE).nonzero()[:, 0].to(images.device, non_blocking=True)
        clean = images.clone()
        clean[erased] = changed[erased]
    return Perturbed(changed, clean)


def erase(images: Tensor, boxes: Tensor) -> Tensor:
    """Set a box (top, left, height, width) of each normalised image (B, C, H, W) to 0, a middle grey."""
    rows = torch.arange(images.shape[-2], device=images.device)
    columns = torch.arange(images.shape[-1], device=images.device)
    top, left, height, width = boxes.to(images.device, non_blocking=True).unsqueeze(-1).unbind(1)
    inside = ((rows >= top) & (rows < top + height))[:, None, :, None]
    inside = inside & ((columns >= left) & (columns < left + width))[:, None, None, :]
    return images.masked_fill(inside, 0)
