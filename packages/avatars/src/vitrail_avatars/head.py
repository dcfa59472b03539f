"""The shapes of heads: a mean, 64 directions in which people differ, and the 52 expressions of ARKit.

Units: distances between the eyes of the neutral face ("IOD", about 62 mm on a grown person). The point midway between
the eyes is the origin; x to the person's left, y up, z forward. Seen from outside, triangles turn counter-clockwise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vitrail_avatars.packing import unpack

FILE = Path(__file__).parent / "data" / "head.npz"
PARTS = ("skin", "left eye", "right eye", "upper teeth", "lower teeth", "tongue")
GENDERS, AGES, ANCESTRIES = ("female", "male"), ("child", "young", "old"), ("african", "asian", "caucasian")
AGE_YEARS = (11.0, 25.0, 80.0)
"""What the three ages of the data stand for here."""


@dataclass(frozen=True, eq=False)
class Head:
    """V points, F triangles, N = 64 components, E = 52 expressions.

    mean: (V + 2, 3); the last two are the joints of neck and head. components: (N, V + 2, 3), each of the size of one
    standard deviation. expressions: (E, V, 3), what each moves when it is 1. triangles: (F, 3) int64.
    texture: (T, 2), and texture_triangles: (F, 3) int64, MakeHuman's texture coordinates; points on a seam have
    several. parts: (F,) int64, numbers of `PARTS`.
    corners: (2, 3, 3, N), the components of the typical face of a gender, an age and an ancestry. builds:
    (2, 3, 3, 3, N), what is added for muscle and weight, by gender and age. details: (D, 2, N), what is added for less
    and for more of a detail. lips: (V,) int64, 255 where there are lips. occlusion: (2, V)
    int64, how much of the sky is hidden, 0 to 255, with the mouth closed and open.
    """

    mean: Tensor
    components: Tensor
    expressions: Tensor
    triangles: Tensor
    texture: Tensor
    texture_triangles: Tensor
    parts: Tensor
    corners: Tensor
    builds: Tensor
    details: Tensor
    lips: Tensor
    occlusion: Tensor
    detail_names: tuple[str, ...]
    interpupillary_mm: float

    @property
    def points(self) -> int:
        return self.expressions.shape[1]

    def to(self, device: torch.device | str) -> Head:
        """This head with its tensors on a device."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{n: x.to(device) for n, x in tensors.items() if isinstance(x, Tensor)})

    def part_points(self, part: str) -> Tensor:
        """Numbers of the points of a part, (n,) int64."""
        return self.triangles[self.parts == PARTS.index(part)].unique()

    def neutral(self, identity: Tensor) -> Tensor:
        """Faces without expression. identity: (B, N), about standard normal; returned is (B, V + 2, 3)."""
        return self.mean + torch.tensordot(identity, self.components, dims=1)

    def expressed(self, neutral: Tensor, expression: Tensor) -> Tensor:
        """neutral: (B, V + 2, 3); expression: (B, E), from 0 to 1, in ARKit's order (`vitrail_avatars.arkit`)."""
        moved = neutral.clone()
        moved[:, : self.points] += torch.tensordot(expression, self.expressions, dims=1)
        return moved


@lru_cache(maxsize=1)
def load_head() -> Head:
    """The head that comes with this package, on the CPU."""
    arrays = unpack(FILE)

    def tensor(name: str) -> Tensor:
        array = arrays[name]
        return torch.from_numpy(array.astype(np.int64) if array.dtype.kind == "u" else array)

    names = [f.name for f in fields(Head)]
    other = {
        "detail_names": tuple(arrays["detail_names"].tolist()),
        "interpupillary_mm": float(arrays["interpupillary_mm"]),
    }
    return Head(**{name: tensor(name) for name in names if name not in other}, **other)
