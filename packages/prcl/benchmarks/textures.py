"""Pictures of 32 x 32 pixels whose classes are textures: a disc of gratings in each of four directions on plain ground,
where later ones hide earlier ones.

The colour of a region is drawn anew each time and says nothing, so that a class can be told by its texture alone. Three
pictures have labels, 96 have none, 64 are for testing; all of it follows from a seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail_segmentation.augment import random_flip
from vitrail_segmentation.samples import Case, as_sample

CLASSES = ("ground", "across", "rising", "upright", "falling")
SIDE, PERIOD = 32, 4.0
LABELED, UNLABELED, TEST = 3, 96, 64


def picture(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """(32, 32, 3) float32 of mean 0 and about unit spread, and its labels."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    image = np.broadcast_to(rng.normal(0, 1, 3), (SIDE, SIDE, 3)).copy()
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for kind in rng.permutation(np.arange(1, len(CLASSES))).tolist():
        (top, left), radius = rng.uniform(4, SIDE - 4, 2), rng.uniform(4, 8)
        inside = (rows - top) ** 2 + (columns - left) ** 2 < radius**2
        angle = np.pi * (kind - 1) / 4
        phase = 2 * np.pi * ((rows * np.cos(angle) + columns * np.sin(angle)) / PERIOD + rng.random())
        texture = rng.normal(0, 1, 3) + np.sin(phase)[..., None]
        image[inside], labels[inside] = texture[inside], kind
    return (image + rng.normal(0, 0.3, image.shape)).astype(np.float32), labels


class Textures:
    """Pictures number `first` to `first + count - 1` of a seed. labelled: whether `sample` tells their labels."""

    def __init__(self, seed: int, first: int, count: int, *, labelled: bool) -> None:
        self.pictures = [picture(np.random.default_rng([seed, first + number])) for number in range(count)]
        self.labelled = labelled

    def __len__(self) -> int:
        return len(self.pictures)

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        image, labels = self.pictures[index]
        # a mirrored grating has another direction, which is another class: only turns by half are the same
        if rng.random() < 0.5:
            image, labels = random_flip(image, labels, rng, horizontal=1, vertical=1)
        return as_sample(image, labels if self.labelled else np.zeros_like(labels))

    def cases(self, start: int = 0, step: int = 1) -> Iterator[Case]:
        for number in range(start, len(self.pictures), step):
            yield Case(str(number), *self.pictures[number])
