"""ClassMix, CutMix and CutOut of a batch, as tensor operations on its device.

Image i pastes a part of itself over image i + 1, and the last one over the first.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Mix = Literal["classmix", "cutmix", "cutout", "none"]


class Views(NamedTuple):
    """Images (B, bands, H, W), their labels (B, H, W) int64, below 0 where there is none, and how sure those are.

    confidence: (B, H, W), 0 to 1.
    """

    images: Tensor
    labels: Tensor
    confidence: Tensor


def mix(views: Views, kind: Mix, classes: int, generator: torch.Generator) -> Views:
    """The batch mixed with itself, in the same order of backgrounds. With one image it is mixed with itself.

    classmix: half of the classes that an image has, rounded down and at least one, are pasted (Olsson et al., WACV
        2021). cutmix: a box of half the area (French et al., BMVC 2020). cutout: a box of half the area loses its
        labels; the image stays. none: nothing.
    """
    if kind == "none":
        return views
    count, (height, width) = len(views.labels), views.labels.shape[-2:]
    if kind == "classmix":
        inside = class_masks(views.labels, classes, generator)
    else:
        inside = box_masks(count, height, width, generator)
    if kind == "cutout":
        return views._replace(labels=views.labels.masked_fill(inside, -1))
    behind = Views(*(part.roll(-1, dims=0) for part in views))
    return Views(
        torch.where(inside[:, None], views.images, behind.images),
        torch.where(inside, views.labels, behind.labels),
        torch.where(inside, views.confidence, behind.confidence),
    )


def class_masks(labels: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """(B, H, W) bool: the pixels of half of each image's classes; pixels without a label are in none."""
    count, safe = len(labels), labels.clamp_min(0).flatten(1)
    known = labels.flatten(1) >= 0
    present = torch.zeros(count, classes, dtype=torch.bool, device=labels.device)
    present = present.scatter_reduce(1, safe, known, reduce="amax")
    rank = torch.rand(count, classes, generator=generator, device=labels.device)
    rank = rank.masked_fill(~present, 2.0).argsort(dim=1).argsort(dim=1)
    chosen = rank < (present.sum(dim=1, keepdim=True) // 2).clamp_min(1)
    return (chosen.gather(1, safe) & known).view(labels.shape)


def box_masks(count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """(B, H, W) bool: a box of half the area, anywhere, between half as wide as the image and as wide."""
    device = generator.device
    share = torch.rand(3, count, 1, generator=generator, device=device)
    wide = (width * (0.5 + 0.5 * share[0])).round()
    tall = (0.5 * height * width / wide).round()
    left, top = (share[1] * (width - wide + 1)).floor(), (share[2] * (height - tall + 1)).floor()
    rows = torch.arange(height, device=device)
    columns = torch.arange(width, device=device)
    across = (columns >= left) & (columns < left + wide)
    down = (rows >= top) & (rows < top + tall)
    return down[:, :, None] & across[:, None, :]
