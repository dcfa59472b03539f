"""The definition of the rasteriser: exact integers for what a triangle covers, float64 for depths and weights."""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_avatars.kernels.raster.limits import FARTHEST, FARTHEST_OUT, NEAREST, SUBPIXELS

HALF = SUBPIXELS // 2


def rasterize(
    points: Tensor, triangles: Tensor, height: int, width: int, cull: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """seen (B, H, W) int32, weights (B, H, W, 3) and depth (B, H, W) float32; see `rasterize`.

    points (B, V, 3) float32, triangles (F, 3) int32 or int64, with numbers below V.
    """
    triangles = triangles.long()
    frames = [_rasterize_one(frame, triangles, height, width, cull) for frame in points]
    seen, weights, depth = (torch.stack(parts) for parts in zip(*frames))
    return seen, weights, depth


def interpolate(seen: Tensor, weights: Tensor, triangles: Tensor, attributes: Tensor) -> Tensor:
    """(B, H, W, C) float32; see `interpolate`. attributes (B, V, C) or (1, V, C)."""
    corners = triangles.long()[seen.long().clamp_min(0)]
    frame = torch.arange(len(seen), device=seen.device)[:, None, None, None]
    values = attributes.expand(len(seen), -1, -1)[frame, corners].double()
    picture = (weights.double()[..., None] * values).sum(dim=-2)
    return torch.where(seen[..., None] >= 0, picture, 0).float()


def place(points: Tensor) -> tuple[Tensor, Tensor]:
    """x and y (V, 2) int64 in steps of the grid, and 1 / z (V,) float64; all are 0 for a point that is left out."""
    x, y, z = points.unbind(dim=1)
    usable = (x.abs() <= FARTHEST_OUT) & (y.abs() <= FARTHEST_OUT) & (z >= NEAREST) & (z <= FARTHEST)
    steps = torch.floor(points[:, :2].double() * SUBPIXELS + 0.5)
    places = torch.where(usable[:, None], steps, 0).long()
    return places, torch.where(usable, 1 / z.double(), 0)


def _rasterize_one(points: Tensor, triangles: Tensor, height: int, width: int, cull: bool):
    places, near = place(points)
    nearest = torch.zeros(height, width, device=points.device)
    seen = torch.full((height, width), -1, dtype=torch.int32, device=points.device)
    grid, inverse = places.tolist(), near.tolist()
    for number, corners in enumerate(triangles.tolist()):
        if all(inverse[v] > 0 for v in corners):
            _draw(number, [grid[v] for v in corners], [inverse[v] for v in corners], cull, nearest, seen)
    return seen, *_weigh(places, near, triangles, seen)


def _draw(number: int, corners: list, near: list[float], cull: bool, nearest: Tensor, seen: Tensor) -> None:
    """Enter one triangle in nearest (H, W), the largest 1 / z so far, and in seen (H, W)."""
    (xi, yi), (xj, yj), (xk, yk) = corners
    area = (xj - xi) * (yk - yi) - (yj - yi) * (xk - xi)  # y points down: a front face has a negative one
    if area == 0 or (cull and area > 0):
        return
    sign = 1 if area > 0 else -1
    height, width = seen.shape
    rows = _pixels((yi, yj, yk), height)
    columns = _pixels((xi, xj, xk), width)
    y, x = (
        torch.arange(part.start, part.stop, device=seen.device) * SUBPIXELS + HALF for part in (rows, columns)
    )
    inside, here = True, 0.0
    for opposite, (xp, yp), (xq, yq) in zip(near, corners[1:] + corners[:1], corners[2:] + corners[:2]):
        dx, dy = sign * (xq - xp), sign * (yq - yp)
        edge = dx * (y[:, None] - yp) - dy * (x - xp)
        owns = dy < 0 or (dy == 0 and dx > 0)  # a left or a top edge has the centres that lie on it
        inside = inside & (edge >= (0 if owns else 1))
        here = here + edge.double() * (opposite / (sign * area))
    here = here.float()
    box = rows, columns
    wins = inside & (here > nearest[box])
    nearest[box] = torch.where(wins, here, nearest[box])
    seen[box] = torch.where(wins, number, seen[box])


def _pixels(steps: tuple[int, ...], count: int) -> slice:
    """The pixels, of `count`, whose centres lie between the least and the greatest of `steps`."""
    first = max(-((HALF - min(steps)) // SUBPIXELS), 0)
    return slice(first, max(first, min((max(steps) - HALF) // SUBPIXELS + 1, count)))


def _weigh(places: Tensor, near: Tensor, triangles: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (H, W, 3) and depth (H, W), float32."""
    row, column = torch.nonzero(seen >= 0, as_tuple=True)
    corners = triangles[seen[row, column].long()]
    centres = torch.stack((column, row), dim=1) * SUBPIXELS + HALF
    x, y = (places[corners] - centres[:, None]).unbind(dim=2)  # (N, 3)
    edges = x.roll(-1, 1) * y.roll(-2, 1) - y.roll(-1, 1) * x.roll(-2, 1)  # opposite of each corner
    parts = edges.double() * near[corners]
    total = parts.sum(dim=1)
    weights = torch.zeros(*seen.shape, 3, device=seen.device)
    depth = torch.full(seen.shape, torch.inf, device=seen.device)
    weights[row, column] = (parts / total[:, None]).float()
    depth[row, column] = (edges.sum(dim=1) / total).float()
    return weights, depth
