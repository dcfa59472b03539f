"""Patches of Vaihingen and Potsdam, and the images of LoveDA, as a data set to train on and to evaluate on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError
from vitrail_cmunet.data.layouts import Pair, loveda_images, patch_folder
from vitrail_segmentation.augment import mosaic, photometric_jitter, random_scale, smart_crop
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.palettes import IGNORE
from vitrail_segmentation.reading import read_class_labels, read_image, require_same_size
from vitrail_segmentation.samples import Case, as_sample, normalise, turn

Array = NDArray[Any]


class PatchSet:
    """Labelled images in files. `sample` is for training, `cases` for evaluation."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        *,
        classes: int,
        raw_labels: bool = False,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
        augment: AugmentConfig | None = None,
    ) -> None:
        """raw_labels: LoveDA's own numbers, 1 to K and 0 for no data; else 0 to K - 1 and 255."""
        if not pairs:
            raise InputError("the data set has no images.")
        self.pairs, self.classes, self.raw_labels = list(pairs), classes, raw_labels
        self.mean, self.std = mean, std
        self.augment = augment or AugmentConfig()

    def __len__(self) -> int:
        return len(self.pairs)

    def case(self, index: int) -> Case:
        """One image as it is in its file. Raises InputError naming the file that cannot be used."""
        pair = self.pairs[index]
        image = read_image(pair.image)
        first, nodata = (1, 0) if self.raw_labels else (0, IGNORE)
        labels = read_class_labels(pair.labels, self.classes, first=first, nodata=nodata)
        require_same_size(image, labels, pair.image, pair.labels)
        if image.shape[2] != len(self.mean):
            raise InputError(f"{pair.image} has {image.shape[2]} bands; wanted are {len(self.mean)}.")
        return Case(pair.name, image, labels)

    def cases(self, start: int = 0, step: int = 1) -> Iterator[Case]:
        """Every `step`-th image from `start` on, so that several processes can share them."""
        for index in range(start, len(self.pairs), step):
            yield self.case(index)

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, Array]:
        """An augmented crop, in the published order: mosaic, scale, smart crop, turn, normalise.

        {"image": (bands, crop, crop) float32, "labels": (crop, crop) int64}.
        """
        augment = self.augment
        image, labels = self._mosaic(index, rng) if rng.random() < augment.mosaic else self.case(index)[1:]
        image, labels = random_scale(image, labels, augment.scales, rng)
        image, labels = smart_crop(
            image, labels, augment.crop, rng, max_share=augment.max_share, tries=augment.tries
        )
        image, labels = turn(image, labels, augment, rng)
        normal = normalise(image, self.mean, self.std)
        if augment.jitter or augment.noise:
            normal = photometric_jitter(
                normal, rng, gain=augment.jitter, brightness=augment.jitter, noise=augment.noise
            )
        return as_sample(normal, labels)

    def _mosaic(self, index: int, rng: np.random.Generator) -> tuple[Array, Array]:
        others = rng.integers(len(self.pairs), size=3).tolist()
        return mosaic([self.case(i)[1:] for i in (index, *others)], rng)

    def class_counts(self, images: int = 200) -> list[int]:
        """Labelled pixels of each class, in about `images` images spread evenly over the data set."""
        counts = np.zeros(self.classes, np.int64)
        for case in self.cases(step=max(len(self) // images, 1)):
            counts += np.bincount(case.labels[case.labels != IGNORE], minlength=self.classes)
        return counts.tolist()


def open_patches(
    dataset: str, root: Path, part: str, *, classes: int, published: bool = False, **more: Any
) -> PatchSet:
    """Part "train", "validation" or "test" of vaihingen or potsdam (patches, below `root`) or loveda (as downloaded).

    published: choose by the test part, as the papers' code does. `more` goes to PatchSet.
    """
    if dataset == "loveda":
        return PatchSet(
            loveda_images(root, part, published=published), classes=classes, raw_labels=True, **more
        )
    folder = root / ("test" if published and part == "validation" else part)
    if not folder.is_dir():
        raise InputError(
            f"{folder} does not exist. Cut the patches first: vitrail cmunet patches {dataset} DOWNLOAD -o {root}"
        )
    _require_dataset(folder, dataset)
    return PatchSet(patch_folder(folder), classes=classes, **more)


def _require_dataset(folder: Path, dataset: str) -> None:
    """Patches made by others have no record, and are taken as they are."""
    record = folder / "patches.json"
    if not record.exists():
        return
    try:
        found = json.loads(record.read_text(encoding="utf-8"))["dataset"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{record} cannot be read ({error}). Cut the patches again.") from error
    if found != dataset:
        raise InputError(f"{folder} holds patches of {found}; wanted are those of {dataset}.")
