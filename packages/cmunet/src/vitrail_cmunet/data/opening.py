"""From a DataConfig to data: what to train on, what to choose by, what to report on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from vitrail.errors import UsageError
from vitrail_cmunet.config import ISPRS, LOVEDA, CMUNetConfig
from vitrail_cmunet.data.patch_set import open_patches
from vitrail_cmunet.train_config import DataConfig, Part
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.labelled_scene import LabelledScene
from vitrail_segmentation.landsat import load_landsat, part_of
from vitrail_segmentation.palettes import Palette, get_palette
from vitrail_segmentation.samples import Case
from vitrail_segmentation.scene_set import SceneSet

PALETTES: dict[str, Palette] = {
    "vaihingen": ISPRS,
    "potsdam": ISPRS,
    "loveda": LOVEDA,
    "landsat": get_palette("landsat"),
}
NATURAL_COLOURS = {"vaihingen": (0, 1, 2), "potsdam": (0, 1, 2), "loveda": (0, 1, 2), "landsat": (2, 1, 0)}
"""Bands to show as red, green and blue."""


class LabelledImages(Protocol):
    """What PatchSet and SceneSet have in common."""

    def __len__(self) -> int: ...

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]: ...

    def cases(self, start: int = 0, step: int = 1) -> Iterator[Case]: ...

    def class_counts(self) -> list[int]: ...


class TrainingData(NamedTuple):
    """model: the network's config; for landsat with the scene's bands, and mean and std of the training part."""

    train: LabelledImages
    validation: LabelledImages
    model: CMUNetConfig


def averaged_classes(dataset: str) -> tuple[str, ...]:
    """The classes whose scores are averaged: the ISPRS benchmarks leave clutter out (it stays in all the counts)."""
    classes = PALETTES[dataset].classes
    return classes[:-1] if dataset in ("vaihingen", "potsdam") else classes


def open_training_data(data: DataConfig, augment: AugmentConfig, model: CMUNetConfig) -> TrainingData:
    """Training and validation data. Raises UsageError where `model` does not fit the data set."""
    palette = PALETTES[data.dataset]
    if model.classes != palette.classes:
        raise UsageError(
            f"the model has the classes {', '.join(model.classes)}; {data.dataset} has {', '.join(palette.classes)}."
        )
    if data.dataset == "landsat":
        return _landsat(data, augment, model)
    root = _root(data)
    shared = {"classes": len(palette.classes), "mean": model.mean, "std": model.std, "augment": augment}
    return TrainingData(
        open_patches(data.dataset, root, "train", published=data.published, **shared),
        open_patches(data.dataset, root, "validation", published=data.published, **shared),
        model,
    )


def open_cases(data: DataConfig, part: Part, model: CMUNetConfig) -> LabelledImages:
    """A part to evaluate on. For landsat, pixels without data have the model's own mean."""
    if data.dataset == "landsat":
        scene = part_of(load_landsat(band_7=data.band_7), part, _direction(data))
        if model.bands != len(scene.bands):
            names = ", ".join(scene.bands)
            raise UsageError(f"the model has {model.bands} bands; the scene has {len(scene.bands)}: {names}.")
        return SceneSet(scene, mean=model.mean, std=model.std, augment=AugmentConfig())
    shared = {"classes": len(PALETTES[data.dataset].classes), "mean": model.mean, "std": model.std}
    return open_patches(data.dataset, _root(data), part, published=data.published, **shared)


def _landsat(data: DataConfig, augment: AugmentConfig, model: CMUNetConfig) -> TrainingData:
    scene = load_landsat(band_7=data.band_7)
    ground = part_of(scene, "half" if data.whole_half else "train", _direction(data))
    mean, std = ground.statistics()

    def images(part: LabelledScene) -> SceneSet:
        return SceneSet(part, mean=mean, std=std, augment=augment, length=data.length)

    validation = part_of(scene, "validation", _direction(data))
    return TrainingData(
        images(ground), images(validation), replace(model, bands=len(scene.bands), mean=mean, std=std)
    )


def _direction(data: DataConfig) -> str:
    return "reverse" if data.reverse else "forward"


def _root(data: DataConfig) -> Path:
    if not data.root:
        what = "the download" if data.dataset == "loveda" else "what `vitrail cmunet patches` wrote"
        raise UsageError(f"{data.dataset} needs its folder, {what}: give root (--data.root in training).")
    return Path(data.root)
