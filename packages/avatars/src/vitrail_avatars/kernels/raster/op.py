"""The ops `vitrail_avatars::rasterize` and `vitrail_avatars::interpolate`, for torch.library. They have no gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_training.kernels.backends import Backends

BACKENDS = Backends("avatars' raster", __package__)


@torch.library.custom_op(
    "vitrail_avatars::rasterize",
    mutates_args=(),
    schema="(Tensor points, Tensor triangles, int height, int width, bool cull, str backend)"
    " -> (Tensor, Tensor, Tensor)",
)
def rasterize_op(
    points: Tensor, triangles: Tensor, height: int, width: int, cull: bool, backend: str
) -> tuple[Tensor, Tensor, Tensor]:
    """triangle, weights and depth; see `rasterize`."""
    if points.device.type == "cpu":
        _demand_below(points.shape[1], triangles)
    if points.numel() == 0 or triangles.numel() == 0:
        triangle, weights, depth = _fake_rasterize(points, triangles, height, width, cull, backend)
        return triangle.fill_(-1), weights.zero_(), depth.fill_(torch.inf)
    return BACKENDS.module(backend).rasterize(points, triangles, height, width, cull)


@rasterize_op.register_fake
def _fake_rasterize(
    points: Tensor, triangles: Tensor, height: int, width: int, cull: bool, backend: str
) -> tuple[Tensor, Tensor, Tensor]:
    shape = len(points), height, width
    triangle = triangles.new_empty(shape, dtype=torch.int32)
    return triangle, points.new_empty(*shape, 3), points.new_empty(shape)


@torch.library.custom_op(
    "vitrail_avatars::interpolate",
    mutates_args=(),
    schema="(Tensor triangle, Tensor weights, Tensor triangles, Tensor attributes, str backend) -> Tensor",
)
def interpolate_op(
    triangle: Tensor, weights: Tensor, triangles: Tensor, attributes: Tensor, backend: str
) -> Tensor:
    """(B, H, W, C); see `interpolate`. attributes (B, V, C) or (1, V, C)."""
    if triangle.device.type == "cpu":
        _demand_below(attributes.shape[1], triangles)
        if triangle.numel() and triangle.max() >= len(triangles):
            raise IndexError(
                f"fragments show triangle {triangle.max()}; there are {len(triangles)} triangles."
            )
    picture = _fake_interpolate(triangle, weights, triangles, attributes, backend)
    if picture.numel() == 0 or triangles.numel() == 0:
        return picture.zero_()
    return BACKENDS.module(backend).interpolate(triangle, weights, triangles, attributes)


@interpolate_op.register_fake
def _fake_interpolate(
    triangle: Tensor, weights: Tensor, triangles: Tensor, attributes: Tensor, backend: str
) -> Tensor:
    return attributes.new_empty(*triangle.shape, attributes.shape[-1])


def _demand_below(vertices: int, triangles: Tensor) -> None:
    if triangles.numel() == 0:
        return
    least, most = triangles.aminmax()
    if least < 0 or most >= vertices:
        raise IndexError(
            f"triangles have corners from {least} to {most}; wanted is 0 to {vertices - 1}, the vertices."
        )
