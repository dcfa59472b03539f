"""Random crops of images in files, to train on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail_prcl.data.pictures import Pictures
from vitrail_segmentation.augment import random_scale, smart_crop
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.palettes import IGNORE
from vitrail_segmentation.samples import Case, as_sample, normalise, turn

Array = NDArray[Any]


class PictureCrops:
    """A random crop of each image, and for evaluation the whole images."""

    def __init__(
        self, pictures: Pictures, *, mean: Sequence[float], std: Sequence[float], augment: AugmentConfig
    ) -> None:
        self.pictures, self.mean, self.std, self.augment = pictures, mean, std, augment
        if augment.mosaic:
            raise UsageError(f"mosaic is {augment.mosaic}; mosaics are made of scenes alone, wanted is 0.")

    def __len__(self) -> int:
        return len(self.pictures)

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, Array]:
        """Scaled, cut, turned and normalised: {"image": (bands, crop, crop) float32, "labels": (crop, crop) int64}.

        Labels are 255 where there is none, no data, or the image has ended; of an unlabelled image 0 elsewhere. Raises
        InputError for an image that cannot be read.
        """
        augment = self.augment
        unlabelled = self.pictures.items[index].mask is None
        image, labels = self.pictures.ground(index) if unlabelled else self.pictures.read(index)
        image, labels = random_scale(image, labels, augment.scales, rng)
        normal = normalise(
            image, self.mean, self.std
        )  # before it is cut, so that what lies beyond the edge is 0
        normal, labels = smart_crop(
            normal, labels, augment.crop, rng, max_share=augment.max_share, tries=augment.tries
        )
        return as_sample(*turn(normal, labels, augment, rng))

    def cases(self, start: int = 0, step: int = 1) -> Iterator[Case]:
        """Every `step`-th image from `start` on, as it is in its file."""
        for index in range(start, len(self.pictures), step):
            image, labels = self.pictures.read(index)
            if labels is None:
                labels = np.full(image.shape[:2], IGNORE, np.uint8)
            yield Case(self.pictures.items[index].name, image, labels)
