"""Random crops of one labelled scene, to train on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError
from vitrail_segmentation.augment import (
    mosaic,
    pad_to,
    photometric_jitter,
    resize_image,
    resize_labels,
    smart_crop,
)
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.labelled_scene import LabelledScene
from vitrail_segmentation.palettes import IGNORE
from vitrail_segmentation.samples import Case, as_sample, normalise, turn

Array = NDArray[Any]


class SceneSet:
    """Random crops of one part of a scene. All parts of the scene that it may not see are not in it."""

    def __init__(
        self,
        scene: LabelledScene,
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
