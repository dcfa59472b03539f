"""Masks: the class of every pixel, from files of class numbers or of colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError
from vitrail.palettes import distinct_colours
from vitrail_prcl.data.pictures import TIFF
from vitrail_segmentation.geotiff import read_labels
from vitrail_segmentation.palettes import IGNORE, PALETTES, Palette
from vitrail_segmentation.raster import open_raster
from vitrail_segmentation.reading import as_labels, read_class_labels, read_image

CLASSES_FILE = "classes.txt"


@dataclass(frozen=True)
class MaskReader:
    """Reads masks of `classes` classes: class numbers, 8 bits in one channel, with 255 for no label.

    A TIFF may hold integers of any width, and its nodata value is no label either. Masks in colour (RGB) are read
    where there is a `palette` that says which class a colour is.
    """

    classes: int
    palette: Palette | None = None

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """Labels (H, W) uint8, 255 for no label. Raises InputError naming the file."""
        if _is_colour(path):
            return self._read_colours(path)
        if path.suffix.lower() in TIFF:
            return as_labels(read_labels(path).labels, path, self.classes)
        return read_class_labels(path, self.classes)

    def _read_colours(self, path: Path) -> NDArray[np.uint8]:
        if self.palette is None:
            raise InputError(
                f"{path} is in colour; wanted are class numbers, 8 bits in one channel. Save it so, or name the "
                f"palette whose colours these are: {', '.join(PALETTES)}."
            )
        try:
            return self.palette.encode(read_image(path)[..., :3])
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def named_palette(names: Sequence[str]) -> Palette:
    """These classes, in distinct colours. UsageError for fewer than two, more than 255 or doubled names."""
    if not 2 <= len(names) <= IGNORE:
        raise UsageError(
            f"there are {len(names)} classes ({', '.join(names[:3])}); wanted are 2 to {IGNORE}."
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two classes are called {twice!r}; every name may be given once.")
    colours = tuple((int(r), int(g), int(b)) for r, g, b in distinct_colours(len(names)))
    return Palette(name="own", classes=tuple(names), colours=colours)


def read_classes(folder: Path) -> Palette | None:
    """The classes in `folder`/classes.txt, one name a line; None where there is no such file."""
    path = folder / CLASSES_FILE
    if not path.exists():
        return None
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}); wanted is text, a class a line.") from error
    try:
        return named_palette([line.strip() for line in lines if line.strip()])
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def find_classes(masks: Iterable[Path], where: Path) -> Palette:
    """Classes named by number, as many as the masks use: every one is read. Masks that cannot be are left out.

    Raises UsageError where none can be read, or they hold one class only.
    """
    highest, reason = -1, ""
    for path in masks:
        try:
            labels = MaskReader(IGNORE)(path)
        except InputError as error:
            reason = reason or str(error)
            continue
        highest = max(highest, highest_class(labels))
    if highest < 0 and reason:
        raise UsageError(f"no mask of {where} can be read. The first of them: {reason}")
    if highest < 1:
        held = "class 0 and 255" if highest == 0 else "255"
        raise UsageError(
            f"the masks of {where} hold nothing but {held}, and 255 means no label. Save classes as 0, 1 and so on, or "
            f"name them in {where / CLASSES_FILE}."
        )
    return named_palette([f"class {number}" for number in range(highest + 1)])


def highest_class(labels: NDArray[np.uint8]) -> int:
    """The largest class number in labels, -1 where nothing is labelled."""
    known = labels[labels != IGNORE]
    return int(known.max()) if known.size else -1


def _is_colour(path: Path) -> bool:
    """Whether a mask has a colour for each pixel. A file that cannot be read is left to whoever reads it."""
    from PIL import Image

    if path.suffix.lower() in TIFF:
        with open_raster(path) as dataset:
            return bool(dataset.count >= 3)
    try:
        with Image.open(path) as opened:
            return opened.mode in ("RGB", "RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
