"""The rasteriser on the CPU, compiled by numba: a depth buffer a frame, a thread a frame.

Only depth and number are written while triangles are drawn; weights are computed once, for what is seen at the end.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vitrail_training.kernels import threads
from vitrail_training.kernels.compiled import import_compiled

_kernels = import_compiled(f"{__name__.rpartition('.')[0]}.cpu_kernels")


def rasterize(
    points: Tensor, triangles: Tensor, height: int, width: int, cull: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """As reference.rasterize."""
    frames, vertices = points.shape[:2]
    seen = torch.full((frames, height, width), -1, dtype=torch.int32)
    weights, depth = torch.empty(frames, height, width, 3), torch.empty(frames, height, width)
    given, corners = points.contiguous().numpy(), _unsigned(triangles)
    outputs = [x.numpy() for x in (seen, weights, depth)]

    def task(frame: int) -> None:
        places, near = np.empty((vertices, 2), np.int64), np.empty(vertices)
        own_seen, own_weights, own_depth = (x[frame] for x in outputs)
        _kernels.place(given[frame], places, near)
        own_depth.fill(0)  # holds 1 / z until the depths themselves are known
        _kernels.draw(places, near, corners, cull, own_depth, own_seen)
        _kernels.weigh(places, near, corners, own_seen, own_weights, own_depth)

    threads.each(task, range(frames), work=8 * len(corners) + height * width)
    return seen, weights, depth


def interpolate(seen: Tensor, weights: Tensor, triangles: Tensor, attributes: Tensor) -> Tensor:
    """As reference.interpolate."""
    frames, height, width = seen.shape
    picture = torch.empty(frames, height, width, attributes.shape[-1])
    numbers, parts, values, output = (x.contiguous().numpy() for x in (seen, weights, attributes, picture))
    corners = _unsigned(triangles)

    def task(frame: int) -> None:
        own = values[frame if len(values) > 1 else 0]
        _kernels.interpolate(numbers[frame], parts[frame], corners, own, output[frame])

    threads.each(task, range(frames), work=height * width * max(attributes.shape[-1], 1))
    return picture


def _unsigned(triangles: Tensor) -> np.ndarray:
    return triangles.int().contiguous().numpy().view(np.uint32)
