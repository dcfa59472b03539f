"""A flat map of the skin, to paint on: each of its pixels is a place on the mean head.

MakeHuman's texture chart of the head is stretched so that the face takes most of the map: about 80 pixels for the
distance between the eyes in a map of 512, 120 where it is finest; shoulders, eye sockets and the
inside of the mouth get what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from vitrail_avatars.head import PARTS, load_head
from vitrail_avatars.kernels.raster import interpolate, rasterize

FACE_ACROSS, FACE_DOWN = 0.4835, 0.872
"""The middle of the face in MakeHuman's chart: the middle line, and beside the tip of the nose."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """A map of S x S pixels.

    points: (V', 2) float32, places in the map from 0 to 1, across and down, and triangles: (F, 3) int64 of them, one
    for each triangle of the head, so that places can be interpolated; those of eyes, teeth and tongue mean nothing.
    place: (S, S, 3) float32, where on the mean head a pixel is. lips: (S, S), from 0 to 1. painted: (S, S) bool,
    whether a pixel is on the skin at all.
    """

    points: Tensor
    triangles: Tensor
    place: np.ndarray
    lips: np.ndarray
    painted: np.ndarray


@lru_cache(maxsize=2)
def load_atlas(size: int = 512) -> Atlas:
    head = load_head()
    points = torch.from_numpy(_stretched(head.texture.numpy(), head.texture_triangles.numpy()))
    skin = head.parts == PARTS.index("skin")
    corners, vertices = head.texture_triangles[skin], head.triangles[skin]
    carried = torch.zeros(len(points), 4)
    carried[corners] = torch.cat([head.mean[: head.points], head.lips[:, None] / 255], dim=1)[vertices]
    flat = torch.cat([points * size, torch.ones(len(points), 1)], dim=1)
    fragments = rasterize(flat[None], corners, (size, size), cull=False)
    painted = (fragments.triangle[0] >= 0).numpy()
    values = _spread(interpolate(fragments, corners, carried)[0].numpy(), painted)
    return Atlas(points, head.texture_triangles, values[..., :3], values[..., 3], painted)


def _stretched(texture: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """MakeHuman's texture coordinates (T, 2) -> places in the map (T, 2), across and down."""
    along, across = texture.T  # its head lies on its side: the crown is on the left
    chart = _charts(triangles, len(texture))
    places = np.stack(
        [along * 0.2, 0.8 + 0.2 * (1 - across)], axis=1
    )  # eye sockets and the like, in a corner
    head = chart == chart[np.argmin(np.abs(texture - (FACE_DOWN, FACE_ACROSS)).sum(axis=1))]
    side, down = across[head] - FACE_ACROSS, along[head] - FACE_DOWN
    x = 0.5 - 0.5 * _wide(side / 0.345, 6)
    y = np.where(down < 0, 0.42 + 0.42 * _wide(down / 0.235, 4), 0.42 + 0.37 * _wide(down / 0.125, 1))
    places[head] = np.stack([x, y], axis=1)
    torso = chart == chart[np.argmin(np.abs(texture - (0.38, 0.85)).sum(axis=1))]
    places[torso] = np.stack([0.25 + 0.9 * (along[torso] - 0.1), 0.82 + 0.5 * (1 - across[torso])], axis=1)
    return places.astype(np.float32)


def _charts(triangles: np.ndarray, points: int) -> np.ndarray:
    """Points that triangles join have one number. (points,)"""
    chart, before = np.arange(points), None
    while not np.array_equal(chart, before):
        before = chart.copy()
        lowest = chart[triangles].min(axis=1)
        for corner in triangles.T:
            np.minimum.at(chart, corner, lowest)
        chart = chart[chart]
    return chart


def _wide(t: np.ndarray, by: float) -> np.ndarray:
    """-1 to 1 onto itself, stretched about 0."""
    return np.arcsinh(by * t) / np.arcsinh(by)


def _spread(values: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Pixels beside the charts take what the nearest painted one has, so that a picture of them has no dark seams."""
    values, known = values.copy(), painted.copy()
    for _ in range(4):
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            near = np.roll(known, step, axis) & ~known
            values[near] = np.roll(values, step, axis)[near]
            known |= near
    return values
