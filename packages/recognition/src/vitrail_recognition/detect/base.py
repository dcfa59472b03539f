"""What detectors share: the result, overlap, and the largest face first."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from vitrail.results import Face

Detection = Face
"""A detector's finding: `box` (4,), `landmarks` (5, 2) in pixels of the photograph, `score` 0 to 1."""


class Detector(Protocol):
    """A backend: finds faces of at least `min_size` pixels in photographs of one size, uint8 RGB (B, H, W, 3).

    Gives a list for each, in any order. threshold: the least score that it takes by itself.
    """

    threshold: float

    def __call__(
        self, images: NDArray[np.uint8], *, min_size: float, threshold: float
    ) -> list[list[Detection]]: ...


def sides(face: Face) -> tuple[float, float]:
    """Width and height of a face's box, in pixels."""
    left, top, right, bottom = (float(value) for value in face.box)
    return right - left, bottom - top


def largest_first(faces: list[Face]) -> list[Face]:
    """Sorted by area of the box; of equal ones the more certain comes first."""
    return sorted(faces, key=lambda face: (-sides(face)[0] * sides(face)[1], -face.score))


def resized(face: Face, factors: tuple[float, float]) -> Face:
    """The same face after its picture was resized by `factors` in x and y; pixel centres are whole numbers."""
    factor = np.array(factors)
    box = (face.box.reshape(2, 2) + 0.5) * factor - 0.5
    landmarks = (face.landmarks + 0.5) * factor - 0.5
    return Face(
        box=box.reshape(4).astype(np.float32), landmarks=landmarks.astype(np.float32), score=face.score
    )


def suppress(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    threshold: float,
    *,
    of: Literal["union", "smaller"] = "union",
    pixel: float = 0.0,
) -> NDArray[np.intp]:
    """Non-maximum suppression: indices of the boxes (N, 4) that are kept, best score first.

    A box goes when its overlap with a better one exceeds `threshold` of their union, or of the smaller of the
    two. `pixel` 1 counts the last row and column as part of a box.
    """
    left, top, right, bottom = boxes.T
    area = (right - left + pixel) * (bottom - top + pixel)
    waiting = np.argsort(-scores, kind="stable")
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        width = np.minimum(right[best], right[waiting]) - np.maximum(left[best], left[waiting]) + pixel
        height = np.minimum(bottom[best], bottom[waiting]) - np.maximum(top[best], top[waiting]) + pixel
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        if of == "union":
            whole = area[best] + area[waiting] - shared
        else:
            whole = np.minimum(area[best], area[waiting])
        waiting = waiting[~(shared / np.maximum(whole, 1e-9) > threshold)]
    return np.array(kept, dtype=np.intp)
