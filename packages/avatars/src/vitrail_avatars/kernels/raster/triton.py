"""The rasteriser on an NVIDIA GPU, all frames in each launch. It never waits.

Triangles are small and many, so what is shared out is patches: each triangle's box is cut in patches of a few pixels,
whose running sum says which patch is whose, so that one large triangle keeps no program busy alone. The nearest wins by
an atomic maximum of one 64-bit number, 1 / z above and the triangle below: the order of arrival cannot show.
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from vitrail_avatars.kernels.raster import triton_kernels as kernels
from vitrail_training.kernels.device import device_of

SIDE, PATCHES = 4, 32
"""Pixels of a patch's side, and patches that a program holds."""

FACES, PIXELS, VALUES = 128, 128, 1024
"""Triangles, pixels, or pixels times channels that a program holds where it takes each once."""

PROGRAMS = 4096
"""Programs that share out the patches, however many there are: their number stays on the device."""


def rasterize(
    points: Tensor, triangles: Tensor, height: int, width: int, cull: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """As reference.rasterize."""
    points, triangles = points.contiguous(), triangles.int().contiguous()
    frames, vertices = points.shape[:2]
    faces, pixels = len(triangles), height * width
    counts = points.new_empty(frames * faces, dtype=torch.int64)
    nearest = points.new_zeros(frames, height, width, dtype=torch.int64)
    triangle = nearest.new_empty(nearest.shape, dtype=torch.int32)
    weights, depth = points.new_empty(*nearest.shape, 3), points.new_empty(nearest.shape)
    with device_of(points):
        kernels.count_patches[(triton.cdiv(faces, FACES), frames)](
            points, triangles, counts, faces, vertices, height, width,
            CULL=cull, SIDE=SIDE, FACES=FACES, num_warps=4,
        )  # fmt: skip
        ends = counts.cumsum(dim=0)
        kernels.draw[(PROGRAMS,)](
            points, triangles, ends, nearest, len(ends), faces, vertices, height, width,
            CULL=cull, SIDE=SIDE, PATCHES=PATCHES, HALVINGS=len(ends).bit_length(), num_warps=4,
        )  # fmt: skip
        kernels.weigh[(triton.cdiv(pixels, PIXELS), frames)](
            points, triangles, nearest, triangle, weights, depth, faces, vertices, height, width,
            PIXELS=PIXELS, num_warps=4,
        )  # fmt: skip
    return triangle, weights, depth


def interpolate(triangle: Tensor, weights: Tensor, triangles: Tensor, attributes: Tensor) -> Tensor:
    """As reference.interpolate."""
    frames, height, width = triangle.shape
    vertices, channels = attributes.shape[1:]
    picture = attributes.new_empty(frames, height, width, channels)
    attributes = attributes.contiguous()
    wide = triton.next_power_of_2(channels)
    tile = max(VALUES // wide, 1)
    with device_of(triangle):
        kernels.interpolate[(triton.cdiv(height * width, tile), frames)](
            triangle.contiguous(), weights.contiguous(), triangles.int().contiguous(), attributes, picture,
            height * width, len(triangles), vertices, channels, vertices * channels if len(attributes) > 1 else 0,
            PIXELS=tile, CHANNELS=wide, num_warps=4,
        )  # fmt: skip
    return picture
