"""Meshes for tests and benchmarks, of any size and without data: a head-like one, hair, and triangles anywhere."""

from __future__ import annotations

import math

import torch
from torch import Tensor

COLUMNS = ROWS = 71  # 5,043 vertices and 10,082 triangles: what a model of a head has


def bumpy_sphere(rows: int = ROWS, columns: int = COLUMNS) -> tuple[Tensor, Tensor]:
    """A sphere of radius about 1 with bumps: vertices (V, 3) float32, x right, y up, z to the viewer; triangles (F, 3).

    V = rows x columns + 2 and F = 2 rows x columns. Seen from outside the triangles are counter-clockwise.
    """
    latitude = torch.linspace(math.pi / 2, -math.pi / 2, rows + 2, dtype=torch.float64)[1:-1, None]
    longitude = torch.arange(columns, dtype=torch.float64)[None] * (2 * math.pi / columns)
    radius = 1 + 0.08 * torch.sin(7 * longitude) * torch.cos(latitude) * torch.sin(9 * latitude)
    ring = radius * torch.cos(latitude)
    middle = torch.stack((ring * longitude.sin(), radius * latitude.sin(), ring * longitude.cos()), dim=-1)
    poles = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]], dtype=torch.float64)
    vertices = torch.cat((middle.reshape(-1, 3), poles)).float()
    here = torch.arange(rows * columns).view(rows, columns)
    east = here.roll(-1, dims=1)
    north, south = rows * columns, rows * columns + 1
    corners = (
        (here[:-1], here[1:], east[1:]),
        (here[:-1], east[1:], east[:-1]),
        (torch.full((columns,), north), here[0], east[0]),
        (torch.full((columns,), south), east[-1], here[-1]),
    )
    return vertices, torch.cat([torch.stack(three, dim=-1).reshape(-1, 3) for three in corners]).int()


def project(vertices: Tensor, size: tuple[int, int], distance: float = 4.0, field: float = 1.25) -> Tensor:
    """Points (..., V, 3) for `rasterize`, of a camera on the z axis at `distance` that looks at the origin.

    field: half the height, at the origin, of what is seen. y is turned to point down.
    """
    height, width = size
    depth = distance - vertices[..., 2]
    scale = height / 2 / field * distance / depth
    x = width / 2 + scale * vertices[..., 0]
    y = height / 2 - scale * vertices[..., 1]
    return torch.stack((x, y, depth), dim=-1)


def heads(
    frames: int, size: tuple[int, int], rows: int = ROWS, columns: int = COLUMNS
) -> tuple[Tensor, Tensor]:
    """Points (frames, V, 3) of the sphere, a little further round in every frame; triangles (F, 3)."""
    vertices, triangles = bumpy_sphere(rows, columns)
    angle = torch.arange(frames) * 0.1
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros(frames)
    x, z = torch.stack((cosine, zero, sine), dim=-1), torch.stack((-sine, zero, cosine), dim=-1)
    y = torch.tensor([0.0, 1.0, 0.0]).expand(frames, 3)
    turn = torch.stack((x, y, z), dim=1)
    return project(vertices @ turn.mT, size), triangles


def hair(
    frames: int,
    size: tuple[int, int],
    strands: int = 1000,
    segments: int = 30,
    width: float = 1.0,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Ribbons of `width` pixels and a third of the picture's height in length: points (frames, V, 3), triangles (F, 3).

    F = 2 strands x segments. Strands hang, lean and curl; each frame has its own.
    """
    generator = torch.Generator().manual_seed(seed)
    height, across = size

    def numbers(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(frames, strands, 1, generator=generator)

    along = torch.linspace(0, 1, segments + 1)
    lean, curl, phase = numbers(-0.2, 0.2), numbers(0, 0.02), numbers(0, 2 * math.pi)
    x = numbers(0.1, 0.9) * across + height * (lean * along + curl * torch.sin(9 * along + phase))
    y = numbers(0, 0.6) * height + height / 3 * along
    z = numbers(2, 3) + 0.3 * along
    left = torch.stack((x - width / 2, y.expand_as(x), z.expand_as(x)), dim=-1)
    right = left + torch.tensor([width, 0.0, 0.0])
    points = torch.stack((left, right), dim=3).reshape(frames, -1, 3)
    first = (torch.arange(strands)[:, None] * (segments + 1) + torch.arange(segments)) * 2
    one = torch.stack((first, first + 2, first + 1), dim=-1)
    other = torch.stack((first + 1, first + 2, first + 3), dim=-1)
    return points, torch.stack((one, other), dim=2).reshape(-1, 3).int()


def soup(
    frames: int, size: tuple[int, int], vertices: int, faces: int, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Triangles between any of the points, which lie in the picture, around it, and some behind the camera."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(frames, vertices, 3, generator=generator) * 1.4 - 0.2
    points[..., 0] *= size[1]
    points[..., 1] *= size[0]
    points[..., 2] = points[..., 2] * 5 + 0.5  # from -0.5
    return points, torch.randint(vertices, (faces, 3), generator=generator, dtype=torch.int32)
