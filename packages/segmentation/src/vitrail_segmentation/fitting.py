"""Images brought to a size that suits a network, and what it makes of them brought back.

Nothing here branches on a size, so that a network that uses it can be exported for images of any size. This module
needs torch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pad(image: Tensor, multiple: int) -> Tensor:
    """(B, C, H, W) -> the same with rows below and columns to the right, up to the next multiple of `multiple`.

    They mirror the image without repeating its edge; an axis too short for that repeats its edge instead.
    """
    if multiple == 1:
        return image
    height, width = image.shape[-2:]
    rows = _places(height, multiple, image.device)
    columns = _places(width, multiple, image.device)
    return image.index_select(-2, rows).index_select(-1, columns)


def enlarge(image: Tensor, zoom: int) -> Tensor:
    """(B, C, H, W) -> `zoom` times as high and wide, bilinear."""
    return image if zoom == 1 else F.interpolate(image, scale_factor=zoom, mode="bilinear")


def shrink(maps: Tensor, zoom: int) -> Tensor:
    """The way back: the mean of the `zoom` squared values that one pixel has become."""
    return maps if zoom == 1 else F.avg_pool2d(maps, zoom)


def _places(length: int, multiple: int, device: torch.device) -> Tensor:
    """Which of `length` pixels stands where after padding."""
    total = (length + multiple - 1) // multiple * multiple
    place = torch.arange(total, device=device)
    too_short = torch.full((1,), (total - length) // length, device=device).clamp(max=1)  # 0 or 1
    beyond = (1 - too_short) * (2 * (length - 1) - place) + too_short * (length - 1)
    return torch.where(place < length, place, beyond)
