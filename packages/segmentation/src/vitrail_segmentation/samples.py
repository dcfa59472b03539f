"""From raw pixels to what a network is trained on, the same for every kind of data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitrail_segmentation.augment import random_flip, random_rotate90
from vitrail_segmentation.augment_config import AugmentConfig

Array = NDArray[Any]


class Case(NamedTuple):
    """One labelled image to evaluate on: (H, W, bands), and (H, W) with 255 for pixels that do not count."""

    name: str
    image: Array
    labels: NDArray[np.uint8]


def normalise(image: Array, mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """(image - mean) / std by band; (H, W, bands) of any dtype -> float32."""
    return (image.astype(np.float32) - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)


def turn(
    image: Array, labels: Array, augment: AugmentConfig, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Mirror and turn as `augment.turns` says."""
    if augment.turns == "horizontal":
        return random_flip(image, labels, rng, vertical=0)
    if augment.turns == "rotate90":
        return random_rotate90(image, labels, rng)
    if augment.turns == "all":
        return random_rotate90(*random_flip(image, labels, rng), rng, probability=1)
    return image, labels


def as_sample(image: NDArray[np.float32], labels: Array) -> dict[str, Array]:
    """{"image": (bands, H, W) float32, "labels": (H, W) int64}."""
    return {
        "image": np.ascontiguousarray(np.moveaxis(image, -1, 0)),
        "labels": np.ascontiguousarray(labels, dtype=np.int64),
    }
