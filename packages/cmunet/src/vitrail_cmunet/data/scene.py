"""One scene with a label for every pixel: parts of it, and random crops from a part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError
from vitrail_cmunet.data.patch_set import Case
from vitrail_cmunet.data.samples import as_sample, normalise, turn
from vitrail_cmunet.train_config import AugmentConfig
from vitrail_segmentation.augment import (
    mosaic,
    pad_to,
    photometric_jitter,
    resize_image,
    resize_labels,
    smart_crop,
)
from vitrail_segmentation.palettes import IGNORE, Palette

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Scene:
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

    def columns(self, start: int, stop: int) -> Scene:
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


class SceneSet:
    """Random crops of one part of a scene. All parts of the scene that it may not see are not in it."""

    def __init__(
        self,
        scene: Scene,
        *,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        augment: AugmentConfig,
        length: int = 1024,
    ) -> None:
        """length: samples that are called an epoch; every sample is drawn anew, so it has no other meaning."""
        self.scene, self.mean, self.std, self.augment, self.length = scene, mean, std, augment, length
        values = np.where(scene.valid, normalise(scene.image, mean, std), np.float32(0))
        # What is valid travels with the image, so that scaling and jitter leave pixels without data at 0.
        self.stack = np.concatenate([values, scene.valid.astype(np.float32)], axis=2)
        if not (scene.labels != IGNORE).any():
            raise InputError("this part of the scene has no labelled pixel.")
        self.places = [np.flatnonzero(scene.labels == k) for k in range(len(scene.palette.classes))]
        self.places = [found for found in self.places if len(found)]

    def __len__(self) -> int:
        return self.length

    def class_counts(self) -> list[int]:
        return self.scene.class_counts()

    def cases(self, start: int = 0, step: int = 1) -> Iterator[Case]:
        """The whole part, once."""
        if start == 0:
            yield self.scene.case(self.mean)

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, Array]:
        """A random crop; `index` plays no part. {"image": (bands, crop, crop), "labels": (crop, crop)}."""
        augment, bands = self.augment, len(self.scene.bands)
        if rng.random() < augment.mosaic:
            stack, labels = mosaic([self._window(rng) for _ in range(4)], rng)
        else:
            stack, labels = self._window(rng)
        stack, labels = turn(stack, labels, augment, rng)
        image, valid = stack[..., :bands], stack[..., bands:] > 0.5
        if augment.jitter or augment.noise:
            image = photometric_jitter(
                image, rng, gain=augment.jitter, brightness=augment.jitter, noise=augment.noise
            )
        return as_sample(np.where(valid, image, np.float32(0)), labels)

    def _window(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """A window of crop / scale pixels, resized to the crop: the same as scaling the scene before cutting."""
        augment = self.augment
        scale = augment.scales[int(rng.integers(len(augment.scales)))]
        side = max(round(augment.crop / scale), 1)
        if rng.random() < augment.balance:
            stack, labels = self._around_a_class(side, rng)
        else:
            stack, labels = smart_crop(
                self.stack, self.scene.labels, side, rng, max_share=augment.max_share, tries=augment.tries
            )
        size = (augment.crop, augment.crop)
        return resize_image(stack, size), resize_labels(labels, size)

    def _around_a_class(self, side: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """A window that holds a random pixel of a class, every class as likely, at a random place in the window."""
        stack, labels = pad_to(self.stack, self.scene.labels, (side, side))
        places = self.places[int(rng.integers(len(self.places)))]
        row, column = divmod(int(places[int(rng.integers(len(places)))]), self.scene.labels.shape[1])
        top = _start(row, side, labels.shape[0], rng)
        left = _start(column, side, labels.shape[1], rng)
        window = slice(top, top + side), slice(left, left + side)
        return stack[window], labels[window]


def _start(place: int, side: int, length: int, rng: np.random.Generator) -> int:
    """Where a window of `side` may start so that it holds `place` and stays inside `length`."""
    return int(rng.integers(max(place - side + 1, 0), min(place, length - side) + 1))
