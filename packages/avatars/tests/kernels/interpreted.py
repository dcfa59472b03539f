"""What test_triton.py runs in Triton's interpreter, in a process of its own."""

from __future__ import annotations

import torch

from vitrail_avatars.kernels.raster import interpolate, rasterize, triton
from vitrail_avatars.kernels.raster.sample import hair, heads, soup


def compared(points, triangles, size, cull: bool = True, channels: int = 3) -> dict[str, float]:
    """Pixels that see another triangle than by definition, and the largest differences."""
    found, wanted = (
        rasterize(points, triangles, size, cull=cull, backend=b) for b in ("triton", "reference")
    )
    attributes = torch.randn(points.shape[1], channels, generator=torch.Generator().manual_seed(0))
    pictures = [interpolate(wanted, triangles, attributes, backend=b) for b in ("triton", "reference")]
    by_frame = torch.stack([attributes * (1 + frame) for frame in range(len(points))])
    scale = torch.arange(1, 1 + len(points))[:, None, None, None]
    again = rasterize(points, triangles, size, cull=cull, backend="triton")
    depth = torch.where(wanted.triangle >= 0, found.depth / wanted.depth - 1, found.depth - wanted.depth)
    return {
        "seen": (wanted.triangle >= 0).sum().item(),
        "other triangles": (found.triangle != wanted.triangle).sum().item(),
        "other bits the second time": sum((a != b).sum().item() for a, b in zip(found, again)),
        "weights": (found.weights - wanted.weights).abs().max().item(),
        "depth": depth[wanted.triangle >= 0].abs().max().item() if (wanted.triangle >= 0).any() else 0.0,
        "nothing seen, yet deep": (found.depth[wanted.triangle < 0] != torch.inf).sum().item(),
        "picture": (pictures[0] - pictures[1]).abs().max().item(),
        "picture by frame": (
            interpolate(wanted, triangles, by_frame, backend="triton") - scale * pictures[1]
        ).abs().max().item(),
    }  # fmt: skip


def left_out() -> tuple[torch.Tensor, torch.Tensor]:
    """A triangle over the whole picture, and before it one with each kind of corner that is not drawn."""
    whole = torch.tensor([(-50.0, -50.0, 2.0), (-50.0, 90.0, 2.0), (90.0, -50.0, 2.0)])
    wrong = [
        (0, torch.nan),
        (1, torch.inf),
        (2, 0.0),
        (2, -1.0),
        (2, torch.nan),
        (2, torch.inf),
        (0, 2.0**20 + 1),
    ]
    parts = [whole]
    for axis, value in wrong:
        part = whole * torch.tensor([1, 1, 0.5])
        part[1, axis] = value
        parts.append(part)
    return torch.cat(parts)[None], torch.arange(3 * len(parts)).view(-1, 3)


def far_out() -> tuple[torch.Tensor, torch.Tensor]:
    most = 2.0**20
    points = torch.tensor([[(-most, -most, 1.0), (most, most, 1.0), (-most, most, 2.0), (most, -most, 3.0)]])
    return points, torch.tensor([(0, 2, 1), (0, 1, 3)])


def single() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([[(2.0, 3.0, 1.0), (9.0, 16.0, 2.0), (21.0, 1.0, 3.0)]]), torch.tensor([(0, 1, 2)])


def lattice() -> tuple[torch.Tensor, torch.Tensor]:
    """A sheet whose corners lie on centres, so that every edge meets some."""
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij")
    points = torch.stack((x * 2 + 1.5, y * 2 + 1.5, 1 + 0 * x), dim=-1).view(1, -1, 3)
    first = (torch.arange(5)[:, None] * 6 + torch.arange(5)).flatten()
    one = torch.stack((first, first + 6, first + 1), dim=1)
    return points, torch.cat((one, torch.stack((first + 1, first + 6, first + 7), dim=1)))


def ties() -> tuple[torch.Tensor, torch.Tensor]:
    points, triangles = soup(1, (9, 11), 12, 9)
    return points, torch.cat((triangles, triangles, triangles.flip(0)))


def everything() -> dict[str, dict[str, float]]:
    """All cases in one process, for starting one takes longer than running them."""
    triton.PROGRAMS, triton.PATCHES, triton.FACES, triton.PIXELS = 3, 128, 64, 128  # several turns and tiles
    return {
        "head": compared(*heads(2, (21, 33), 10, 12), (21, 33)),
        "hair": compared(*hair(2, (33, 21), strands=9, segments=6), (33, 21), cull=False),
        "soup": compared(*soup(3, (17, 23), 20, 40), (17, 23), cull=False, channels=7),
        "one triangle": compared(*single(), (17, 23), channels=1),
        "one pixel": compared(*soup(1, (1, 1), 9, 30), (1, 1)),
        "left out": compared(*left_out(), (5, 7), cull=False),
        "far out": compared(*far_out(), (16, 12)),
        "edges on centres": compared(*lattice(), (14, 14)),
        "ties": compared(*ties(), (9, 11), cull=False),
        "nothing in sight": compared(soup(1, (9, 9), 9, 5)[0] + 100, soup(1, (9, 9), 9, 5)[1], (9, 9)),
    }
