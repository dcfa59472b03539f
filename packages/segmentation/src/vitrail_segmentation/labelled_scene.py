"""One scene in memory with a label for its pixels, and parts of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError
from vitrail_segmentation.palettes import IGNORE, Palette
from vitrail_segmentation.samples import Case


@dataclass(frozen=True, kw_only=True)
class LabelledScene:
    """A picture of the ground with labels.

    image: (H, W, bands) float32, raw values. valid: (H, W, bands) bool; where it is False the image has 0.
    labels: (H, W) uint8, a class, or 255 where there is no label or no data.
    bands: their names. left: the column of the whole scene at which this part of it begins.
    """

    image: NDArray[np.float32]
    valid: NDArray[np.bool_]
    labels: NDArray[np.uint8]
    bands: tuple[str, ...]
    palette: Palette
    left: int = 0

    def __post_init__(self) -> None:
        if self.valid.shape != self.image.shape or self.labels.shape != self.image.shape[:2]:
            raise InputError(
                f"the image is {self.image.shape}, its mask {self.valid.shape} and its labels {self.labels.shape}; "
                "sizes must agree."
            )

    def columns(self, start: int, stop: int) -> LabelledScene:
        """The columns `start` to `stop` - 1 of the whole scene, as a copy: nothing else can be reached from it."""
        first, last = start - self.left, stop - self.left
        if not 0 <= first < last <= self.labels.shape[1]:
            raise UsageError(
                f"columns {start} to {stop} were asked for; this part of the scene has {self.left} to "
                f"{self.left + self.labels.shape[1]}."
            )
        return replace(
            self,
            image=self.image[:, first:last].copy(),
            valid=self.valid[:, first:last].copy(),
            labels=self.labels[:, first:last].copy(),
            left=start,
        )

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each band, over its valid pixels."""
        values = [
            self.image[..., band][self.valid[..., band]].astype(np.float64) for band in range(len(self.bands))
        ]
        if any(len(each) == 0 for each in values):
            raise InputError("a band of the scene has no valid pixel in this part.")
        return tuple(float(each.mean()) for each in values), tuple(
            float(each.std()) or 1.0 for each in values
        )

    def filled(self, mean: tuple[float, ...]) -> NDArray[np.float32]:
        """The image with each band's `mean` where there is no data, which the network sees as 0."""
        return np.where(self.valid, self.image, np.asarray(mean, np.float32))

    def class_counts(self) -> list[int]:
        """Labelled pixels of each class."""
        known = self.labels[self.labels != IGNORE]
        return np.bincount(known, minlength=len(self.palette.classes)).tolist()

    def case(self, mean: tuple[float, ...]) -> Case:
        """The whole part as one image to evaluate on."""
        return Case(
            f"columns {self.left}-{self.left + self.labels.shape[1] - 1}", self.filled(mean), self.labels
        )
