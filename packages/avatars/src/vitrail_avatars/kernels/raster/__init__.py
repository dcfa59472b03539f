"""Meshes drawn on pixels, many frames at once: which triangle each pixel sees, how deep, and what its corners carry.

>>> fragments = rasterize(points, triangles, (256, 256))
>>> picture = interpolate(fragments, triangles, colours)

`reference.py` is the definition, `cpu.py` (numba) and `triton.py` are fast. `VITRAIL_KERNELS` chooses; see
`vitrail_training.kernels.choose`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vitrail_avatars.kernels.raster.limits import LARGEST
from vitrail_avatars.kernels.raster.op import BACKENDS, interpolate_op, rasterize_op
from vitrail_avatars.kernels.raster.supersampling import average

__all__ = ["BACKENDS", "Fragments", "average", "doctor", "interpolate", "pick", "rasterize"]

doctor = BACKENDS.doctor


class Fragments(NamedTuple):
    """What the pixels of B frames see.

    triangle: (B, H, W) int32, its number, -1 where nothing is seen.
    weights: (B, H, W, 3) float32, of its corners, for values that are linear on the triangle in space; their sum is 1,
        or 0 where nothing is seen.
    depth: (B, H, W) float32, the z of what is seen, inf where nothing is.
    """

    triangle: Tensor
    weights: Tensor
    depth: Tensor


@torch.compiler.assume_constant_result
def pick(points: Tensor, backend: str | None = None) -> str:
    """The backend that runs for such points."""
    return BACKENDS.pick(points, backend)


def rasterize(
    points: Tensor, triangles: Tensor, size: tuple[int, int], *, cull: bool = True, backend: str | None = None
) -> Fragments:
    """What each pixel's centre sees of a mesh. There is no gradient: the results are constants for autograd.

    A triangle covers the centres inside it. Points are first moved to the nearest 1/256 pixel (a half goes up), and
    what follows is exact; a centre on an edge belongs to the triangle whose left or top edge it is. Triangles that
    share an edge therefore neither overlap there nor leave a gap. Of those at a centre the nearest is seen, by the
    z of their planes there; of equally near ones, to the precision of float32, that of the lowest number.

    A front face is one whose corners go counter-clockwise as the picture is looked at, which is what faces that are
    counter-clockwise from outside, in a right-handed world, look like from outside. As y points down,
    (x1 - x0) (y2 - y0) - (y1 - y0) (x2 - x0) is negative for them.

    Nothing is clipped: a triangle is left out where a corner has a z that is not positive (or beyond 2**-100 to
    2**100), an x or y more than 2**20 pixels from 0, or one that is not a number.

    Args:
        points: (B, V, 3) float32. x to the right and y down in pixels, the centre of the picture's first pixel at
            (0.5, 0.5); z is the distance from the camera along its axis, in any unit.
        triangles: (F, 3) int32 or int64, rows of the points; the same in all frames.
        size: (H, W), at most 32,768 each.
        cull: whether back faces are left out. Otherwise both sides are drawn.
        backend: overrides `VITRAIL_KERNELS`.

    Returns:
        Fragments. The same input gives the same bits. Backends agree on `triangle` but where two depths round
        differently in the last bit of float32. A corner that is no row of points is an IndexError on the CPU; on a
        GPU its triangle is left out.

    Raises:
        UsageError: a backend was asked for that is unknown or cannot run here.
        ValueError: shapes, dtypes or devices that do not fit together.
    """
    if points.dim() != 3 or points.shape[2] != 3 or points.dtype != torch.float32:
        raise ValueError(
            f"points are {points.dtype} of shape {tuple(points.shape)}; wanted is float32 (B, V, 3)."
        )
    _check_triangles(triangles, points)
    height, width = size
    if not (1 <= height <= LARGEST and 1 <= width <= LARGEST):
        raise ValueError(f"size is {tuple(size)}; wanted is a height and a width of 1 to {LARGEST}.")
    name = pick(points, backend)
    with torch.no_grad():
        return Fragments(*rasterize_op(points.detach(), triangles, int(height), int(width), bool(cull), name))


def interpolate(
    fragments: Fragments, triangles: Tensor, attributes: Tensor, *, backend: str | None = None
) -> Tensor:
    """What the corners carry, at every pixel: the mean by the weights. There is no gradient.

    Args:
        fragments: from `rasterize`.
        triangles: (F, 3), as they were given there.
        attributes: float32 (B, V, C), or (V, C) or (1, V, C) for the same in all frames.
        backend: overrides `VITRAIL_KERNELS`.

    Returns:
        (B, H, W, C) float32, 0 where nothing is seen. Numbers out of range are an IndexError on the CPU; on a GPU
        they count as nothing seen.

    Raises:
        UsageError: a backend was asked for that is unknown or cannot run here.
        ValueError: shapes, dtypes or devices that do not fit together.
    """
    triangle, weights, _ = fragments
    fits = weights.shape == (*triangle.shape, 3) and weights.device == triangle.device
    if triangle.dim() != 3 or (triangle.dtype, weights.dtype) != (torch.int32, torch.float32) or not fits:
        raise ValueError(
            f"fragments have a triangle of {triangle.dtype} {tuple(triangle.shape)} and weights of {weights.dtype} "
            f"{tuple(weights.shape)}; wanted is int32 (B, H, W) and float32 (B, H, W, 3), on one device."
        )
    values = attributes[None] if attributes.dim() == 2 else attributes
    if values.dim() != 3 or len(values) not in (1, len(triangle)) or values.dtype != torch.float32:
        raise ValueError(
            f"attributes are {attributes.dtype} of shape {tuple(attributes.shape)}; "
            f"wanted is float32 ({len(triangle)}, V, C), (1, V, C) or (V, C)."
        )
    _check_triangles(triangles, triangle)
    if values.device != triangle.device:
        raise ValueError(
            f"attributes are on {values.device} and fragments on {triangle.device}; wanted is one."
        )
    name = pick(values, backend)
    with torch.no_grad():
        return interpolate_op(triangle, weights.detach(), triangles, values.detach(), name)


def _check_triangles(triangles: Tensor, others: Tensor) -> None:
    if (
        triangles.dim() != 2
        or triangles.shape[1] != 3
        or triangles.dtype not in (torch.int32, torch.int64)
        or triangles.device != others.device
    ):
        raise ValueError(
            f"triangles are {triangles.dtype} of shape {tuple(triangles.shape)} on {triangles.device}; "
            f"wanted is int32 or int64 (F, 3) on {others.device}."
        )
