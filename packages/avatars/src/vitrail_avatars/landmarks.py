"""Where landmarks lie on the head: the 68 points of iBUG's 300-W, and the 5 that recognisers align by.

Points of the mesh stand for landmarks, so they move with the face. They were read off drawings of the mean face, on the
person's right side; the other side is its mirror image. The outline of the jaw stays where it is on the face when the
head turns, as in three-dimensional annotations; it is not the silhouette.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from vitrail_avatars.head import Head, load_head

_RIGHT = {
    # the outline, from the ear to beside the chin
    0: 1985, 1: 1984, 2: 2029, 3: 910, 4: 735, 5: 2010, 6: 1955, 7: 1996,
    # brow, from the outer end
    17: 207, 18: 206, 19: 204, 20: 205, 21: 208,
    # wing of the nose, nostril
    31: 288, 32: 285,
    # eye: outer corner, upper lid, inner corner, lower lid
    36: 24, 37: 0, 38: 54, 39: 66, 40: 47, 41: 41,
    # outer border of the lips: corner, upper, lower
    48: 1725, 49: 410, 50: 457, 58: 486, 59: 406,
    # inner border: corner, upper, lower
    60: 437, 61: 2145, 67: 2143,
}  # fmt: skip
_MIDDLE = {8: 1994, 27: 136, 28: 131, 29: 201, 30: 294, 33: 317, 51: 466, 57: 492, 62: 474, 66: 523}
_MIRROR = {
    **{i: 16 - i for i in range(8)},
    **dict(zip(range(17, 22), range(26, 21, -1), strict=True)),
    31: 35, 32: 34, 36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46,
    48: 54, 49: 53, 50: 52, 58: 56, 59: 55, 60: 64, 61: 63, 67: 65,
}  # fmt: skip
"""Landmark on the person's right -> its like on the left."""


@lru_cache(maxsize=1)
def points_68() -> Tensor:
    """Numbers of the mesh's points, (68,) int64, in iBUG's order."""
    mean = load_head().mean[: load_head().points]
    found = torch.empty(68, dtype=torch.int64)
    for landmark, point in {**_RIGHT, **_MIDDLE}.items():
        found[landmark] = point
        if landmark in _MIRROR:
            mirrored = mean[point] * torch.tensor([-1.0, 1.0, 1.0])
            found[_MIRROR[landmark]] = (mean - mirrored).norm(dim=1).argmin()
    return found


def landmarks_68(vertices: Tensor) -> Tensor:
    """vertices: (B, V, 3) or (B, V, 2), of the mesh in any space -> (B, 68, 3) or (B, 68, 2)."""
    return vertices[:, points_68().to(vertices.device)]


def landmarks_5(vertices: Tensor, head: Head) -> Tensor:
    """Centres of the eyes, tip of the nose, corners of the mouth, as ArcFace's alignment has them; the person's right
    eye and corner come first. vertices: (B, V, 3) -> (B, 5, 3); the eyes' are on the front of the eyeballs."""
    eyes = []
    for part in ("right eye", "left eye"):
        ball = vertices[:, head.part_points(part)]
        eyes.append(ball[torch.arange(len(ball)), ball[..., 2].argmax(dim=1)])
    return torch.stack([*eyes, *vertices[:, points_68()[[30, 48, 54]].to(vertices.device)].unbind(1)], dim=1)
