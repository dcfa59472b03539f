"""What a picture's pixels show of the world: normals, places on the mean head, and where they go in the next frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vitrail_avatars.camera import Camera, project
from vitrail_avatars.head import Head
from vitrail_avatars.kernels.raster import Fragments, interpolate, rasterize
from vitrail_avatars.mesh import vertex_normals
from vitrail_avatars.render import GLASSES, HAIR, Look, Shot, posed, posed_strands, seen_strands, worn


@dataclass(frozen=True)
class Maps:
    """Of the pixels' centres; 0 where there is none.

    parts: (H, W) uint8, as in `render.Picture`. depth: (H, W) float32, distance along the camera's axis, eye distances,
    inf for the background. normals: (H, W, 3) float32, x to the right, y up, z to the viewer, of all but hair.
    position: (H, W, 3) float32, the place on the mean head, of all but hair and glasses: the same for the same spot of
    any face, in any pose. flow: (H, W, 2) float32, how many pixels to the right and down what is seen moves to the next
    frame, whether it is still seen there or not; None where no next shot was given.
    """

    parts: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    position: np.ndarray
    flow: np.ndarray | None


@dataclass(frozen=True)
class _Layer:
    """What is drawn together. number: of the first part. seen, triangles: where. carried: (P, 6), normals and position
    of the corners. now, then: (P, 3), where the corners are in the world now and in the next frame."""

    number: int
    seen: Fragments
    triangles: Tensor
    carried: Tensor
    now: Tensor
    then: Tensor


def maps(
    head: Head, neutral: Tensor, look: Look, shot: Shot, size: int, following: Shot | None = None
) -> Maps:
    """Maps of size x size pixels of a person in a shot. neutral: (1, V + 2, 3). following: the next frame's shot."""
    wide, after = (size, size), shot if following is None else following
    parts = np.zeros(wide, np.uint8)
    depth = np.full(wide, np.inf, np.float32)
    values = np.zeros((*wide, 6), np.float32)
    flow = np.zeros((*wide, 2), np.float32)
    for layer in _layers(head, neutral, look, shot, after, wide):
        own = layer.seen.depth[0].numpy()
        here = own < depth
        carried = torch.cat([layer.carried, layer.now, layer.then], dim=1).contiguous()
        found = interpolate(layer.seen, layer.triangles, carried)[0]
        moved = _moved(found[..., 6:9], found[..., 9:], shot.camera, after.camera, wide)
        values[here], flow[here], depth[here] = found[..., :6].numpy()[here], moved.numpy()[here], own[here]
        parts[here] = layer.number
        if layer.number == 1:
            parts[here] = head.parts.numpy()[layer.seen.triangle[0].numpy()[here]] + 1
    normals = values[..., :3] / np.maximum(np.linalg.norm(values[..., :3], axis=2, keepdims=True), 1e-6)
    return Maps(parts, depth, normals, values[..., 3:], None if following is None else flow)


def _layers(
    head: Head, neutral: Tensor, look: Look, shot: Shot, after: Shot, size: tuple[int, int]
) -> Iterator[_Layer]:
    (now, moved), (then, moved_then) = (posed(head, neutral, s) for s in (shot, after))
    normals = vertex_normals(now[None], head.triangles)[0]
    yield _Layer(
        1, rasterize(project(now, shot.camera, size)[None], head.triangles, size), head.triangles,
        torch.cat([normals, head.mean[: head.points]], dim=1), now, then,
    )  # fmt: skip
    if look.glasses is not None:
        (points, turned), (points_then, _) = (worn(neutral, look.glasses, s.angles) for s in (shot, after))
        triangles = torch.from_numpy(look.glasses.triangles)
        seen = rasterize(project(points, shot.camera, size)[None], triangles, size, cull=False)
        carried = torch.cat([torch.from_numpy(turned).float(), torch.zeros_like(points)], dim=1)
        yield _Layer(GLASSES, seen, triangles, carried, points, points_then)
    if look.strands is not None:
        first = posed_strands(head, neutral, moved, look.strands, shot.angles)
        second = posed_strands(head, neutral, moved_then, look.strands, after.angles)
        hair, ribbons = seen_strands(look.strands, first, shot.camera, size)
        here, there = (x.reshape(-1, 3).repeat_interleave(2, dim=0) for x in (first, second))
        yield _Layer(HAIR, hair, torch.from_numpy(ribbons), torch.zeros(len(here), 6), here, there)


def _moved(now: Tensor, then: Tensor, camera: Camera, after: Camera, size: tuple[int, int]) -> Tensor:
    """Pixels, (H, W, 2), between two places in the world, (H, W, 3) each, that two cameras see."""
    return project(then, after, size)[..., :2] - project(now, camera, size)[..., :2]
