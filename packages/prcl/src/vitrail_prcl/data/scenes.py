"""One large picture of the ground, with a raster of labels that may leave most of it open.

Small enough for the memory: `open_scene`, then `SceneSet` for crops of what is labelled, and `SceneSet` of `ground` for
crops of everything. Larger: `cut_scene` makes tiles of it, which are read from the file one by one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from vitrail.errors import InputError, UsageError
from vitrail_prcl.data.masks import highest_class, named_palette
from vitrail_prcl.data.pictures import Image, LabelledImage, Labels, Pictures, Valid, read_bands
from vitrail_segmentation.geotiff import CLASS_NAMES
from vitrail_segmentation.labelled_scene import LabelledScene
from vitrail_segmentation.palettes import IGNORE, Palette
from vitrail_segmentation.raster import describe, open_raster, read_window
from vitrail_segmentation.reading import as_labels

ANY_CLASS = IGNORE


def open_scene(image: Path, labels: Path, *, palette: Palette | None = None) -> LabelledScene:
    """A whole raster in memory, as float32, with its labels.

    labels: one band of class numbers on the same pixels; 255 and nodata are unlabelled.
    palette: the classes. By default those that the label raster names (`vitrail segment` does), else as many as it has.

    Raises InputError naming the file that cannot be used.
    """
    with open_raster(image) as dataset:
        pixels, valid = read_bands(dataset, _whole(dataset))
        names = [name or f"band {k}" for k, name in enumerate(describe(dataset).bands, 1)][: pixels.shape[2]]
        _require_same_ground(dataset, labels)
    with open_raster(labels) as dataset:
        known = _read_labels(dataset, labels, _whole(dataset), ANY_CLASS)
        classes = palette or _classes_of(dataset, labels, highest_class(known))
    known = as_labels(known, labels, len(classes.classes))
    where = np.ones(known.shape, np.bool_) if valid is None else valid
    return LabelledScene(
        image=np.where(where[..., None], pixels, 0).astype(np.float32),
        valid=np.repeat(where[..., None], pixels.shape[2], axis=2),
        labels=np.where(where, known, np.uint8(IGNORE)),
        bands=tuple(names),
        palette=classes,
    )


def ground(scene: LabelledScene) -> LabelledScene:
    """The same scene without its labels: 0 on every pixel that has data, 255 elsewhere.

    A `SceneSet` of it gives crops of all the ground, and says by their labels where there is any.
    """
    return replace(scene, labels=np.where(scene.valid.all(axis=2), 0, IGNORE).astype(np.uint8))


@dataclass(frozen=True, kw_only=True)
class SceneTiles(Pictures):
    """Windows of one raster, (top, left, height, width) each. Items without a label have no mask."""

    windows: tuple[tuple[int, int, int, int], ...] = ()

    def labelled(self) -> SceneTiles:
        """The tiles with a label; UsageError where there is none."""
        kept = [k for k, item in enumerate(self.items) if item.mask is not None]
        return replace(
            self, items=tuple(self.items[k] for k in kept), windows=tuple(self.windows[k] for k in kept)
        )

    def unlabelled(self) -> SceneTiles:
        """All tiles, without their labels."""
        return replace(self, items=tuple(item._replace(mask=None) for item in self.items), palette=None)

    def load(self, index: int) -> tuple[Image, Valid | None]:
        path = self.items[index].image
        with open_raster(path) as dataset:
            image, valid = read_bands(dataset, _window(self.windows[index]))
        self._require_format(image, path)
        return image, valid

    def labels(self, index: int) -> Labels | None:
        path = self.items[index].mask
        if path is None:
            return None
        with open_raster(path) as dataset:
            return _read_labels(dataset, path, _window(self.windows[index]), len(self.classes))


def cut_scene(image: Path, labels: Path, *, size: int = 512, palette: Palette | None = None) -> SceneTiles:
    """Square tiles of `size` pixels that cover a raster; see `open_scene` for labels and palette.

    The last tiles of a row or column are moved back so that they lie inside. The labels are read once to find the tiles
    that have any, the image not at all.
    """
    if size < 1:
        raise UsageError(f"size is {size}; wanted are tiles of at least 1 pixel.")
    with open_raster(image) as dataset:
        _require_same_ground(dataset, labels)
        windows = tuple(
            (top, left, min(size, dataset.height), min(size, dataset.width))
            for top in _starts(dataset.height, size)
            for left in _starts(dataset.width, size)
        )
    highest = []
    with open_raster(labels) as dataset:
        for window in windows:
            known = _read_labels(dataset, labels, _window(window), ANY_CLASS)
            highest.append(highest_class(known))
        classes = palette or _classes_of(dataset, labels, max(highest))
    items = tuple(
        LabelledImage(f"row {top} column {left}", image, labels if most >= 0 else None)
        for (top, left, _, _), most in zip(windows, highest, strict=True)
    )
    return SceneTiles(items=items, palette=classes, windows=windows)


def _starts(length: int, size: int) -> list[int]:
    """Where tiles start along an axis."""
    return sorted({min(start, max(length - size, 0)) for start in range(0, length, size)})


def _window(place: tuple[int, int, int, int]) -> Window:
    top, left, height, width = place
    return Window(left, top, width, height)


def _whole(dataset: Any) -> Window:
    return Window(0, 0, dataset.width, dataset.height)


def _read_labels(dataset: Any, path: Path, window: Window, classes: int) -> NDArray[np.uint8]:
    if dataset.count != 1 or np.dtype(dataset.dtypes[0]).kind not in "iu":
        raise InputError(f"{describe(dataset)}; wanted are labels: one band of integers.")
    values, valid = read_window(dataset, [1], window)
    return as_labels(np.where(valid, values[..., 0], IGNORE), path, classes)


def _classes_of(dataset: Any, path: Path, highest: int) -> Palette:
    names = dataset.tags().get(CLASS_NAMES)
    if names:
        return named_palette(json.loads(names))
    if highest < 1:
        held = "no label" if highest < 0 else "class 0 and no other label"
        raise UsageError(f"{path} holds {held}; wanted are labels of at least two classes, 0, 1 and so on.")
    return named_palette([f"class {number}" for number in range(highest + 1)])


def _require_same_ground(image: Any, labels: Path) -> None:
    """Raises InputError where the rasters differ in size, or say that they lie elsewhere."""
    with open_raster(labels) as known:
        if (known.height, known.width) != (image.height, image.width):
            raise InputError(
                f"{labels} is {known.height}x{known.width} and {image.name} {image.height}x{image.width} pixels; "
                "wanted are labels on the pixels of the image. Resample them, for instance with gdalwarp -r near."
            )
        placed = image.crs is not None and known.crs is not None
        if placed and (image.crs != known.crs or not image.transform.almost_equals(known.transform, 1e-6)):
            raise InputError(
                f"{labels} and {image.name} lie on different ground or in different coordinates; wanted are labels on "
                "the pixels of the image. Resample them, for instance with gdalwarp -r near."
            )
