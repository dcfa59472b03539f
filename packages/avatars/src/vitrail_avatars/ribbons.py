"""Strands of hair as ribbons that face whoever looks."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

LEAST = 0.35
"""Pixels, half a ribbon's width at least: thinner ones would be missed by most pixels' centres."""


@lru_cache(maxsize=8)
def ribbon_triangles(strands: int, steps: int) -> Tensor:
    """(strands * (steps - 1) * 2, 3) int64, of corners in the order of `ribbon_corners`."""
    first = 2 * (torch.arange(strands)[:, None] * steps + torch.arange(steps - 1)[None]).reshape(-1)
    return torch.cat(
        [torch.stack([first, first + 1, first + 2], 1), torch.stack([first + 1, first + 3, first + 2], 1)]
    )


def ribbon_corners(seen: Tensor, width: Tensor) -> Tensor:
    """seen: (S, K, 3), the strands' points in pixels and their distance. width: (S, K), in pixels. Returned are the
    corners (S * K * 2, 3), two for each point, to either side of it."""
    along = torch.empty_like(seen[..., :2])
    along[:, :-1] = seen[:, 1:, :2] - seen[:, :-1, :2]
    along[:, -1] = along[:, -2]
    across = torch.nn.functional.normalize(torch.stack([-along[..., 1], along[..., 0]], dim=2), dim=2)
    move = torch.zeros_like(seen)
    move[..., :2] = across * (width / 2).clamp_min(LEAST)[..., None]
    return torch.stack([seen - move, seen + move], dim=2).reshape(-1, 3)


def tangents(points: Tensor) -> Tensor:
    """Unit vectors along strands (S, K, 3)."""
    along = torch.empty_like(points)
    along[:, :-1] = points[:, 1:] - points[:, :-1]
    along[:, -1] = along[:, -2]
    return torch.nn.functional.normalize(along, dim=2)
