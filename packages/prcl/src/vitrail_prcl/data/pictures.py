"""Images with and without masks, whatever layout they came from, and what their values are like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ExifTags
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from vitrail.errors import InputError, UsageError
from vitrail.results import open_image
from vitrail_segmentation.palettes import IGNORE, Palette
from vitrail_segmentation.raster import open_raster, read_window
from vitrail_segmentation.reading import require_same_size

TIFF = (".tif", ".tiff")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", *TIFF)

Image = NDArray[Any]
Labels = NDArray[np.uint8]
Valid = NDArray[np.bool_]


class LabelledImage(NamedTuple):
    """A picture and its mask; None where it is unlabelled. `name` has no suffix."""

    name: str
    image: Path
    mask: Path | None = None


class Statistics(NamedTuple):
    """Mean and standard deviation of each band, in the units of the values, and their numpy dtype."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    dtype: str


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Images in files, to be read by number. All reading can raise InputError: one sentence that names the file.

    palette: names and colours of the classes; None where nothing is labelled.
    read_mask: a mask's file -> labels (H, W).
    bands, dtype: what every image must have; 0 and "" let any pass.
    """

    items: tuple[LabelledImage, ...]
    palette: Palette | None = None
    read_mask: Callable[[Path], Labels] | None = None
    bands: int = 0
    dtype: str = ""

    def __post_init__(self) -> None:
        if not self.items:
            raise UsageError("there are no images; wanted is at least one.")

    def __len__(self) -> int:
        return len(self.items)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.palette.classes if self.palette else ()

    def read(self, index: int) -> tuple[Image, Labels | None]:
        """Image (H, W, bands) and labels (H, W) uint8 with 255 for no label, or None for an unlabelled image.

        Photographs are turned upright by their EXIF orientation. Pixels without data (TIFF) have the mean of the
        others, and no label.
        """
        item = self.items[index]
        if not item.image.exists() and item.mask is not None:
            raise InputError(
                f"{item.mask} has no image; wanted is {item.image}. Add the image, or remove the mask."
            )
        image, valid = self.load(index)
        labels = self.labels(index)
        if labels is not None and item.mask is not None:
            _require_upright(image, labels, item)
            require_same_size(image, labels, item.image, item.mask)
        if valid is None:
            return image, labels
        known = None if labels is None else np.where(valid, labels, np.uint8(IGNORE))
        return _filled(image, valid, item), known

    def ground(self, index: int) -> tuple[Image, Labels]:
        """The image as `read` gives it, and (H, W) uint8 instead of labels: 0 where there is data, 255 elsewhere."""
        image, valid = self.load(index)
        if valid is None:
            return image, np.zeros(image.shape[:2], np.uint8)
        return _filled(image, valid, self.items[index]), np.where(valid, 0, IGNORE).astype(np.uint8)

    def load(self, index: int) -> tuple[Image, Valid | None]:
        """The image alone, as it is in its file, and which of its pixels hold data (H, W), None for all."""
        path = self.items[index].image
        image, valid = read_picture(path)
        self._require_format(image, path)
        return image, valid

    def labels(self, index: int) -> Labels | None:
        """The labels alone, (H, W)."""
        item = self.items[index]
        if item.mask is None or self.read_mask is None:
            return None
        if not item.mask.exists():
            raise InputError(
                f"{item.image} has no mask; wanted is {item.mask}. Add it, or move the image to the unlabelled ones."
            )
        return self.read_mask(item.mask)

    def class_pixels(self, index: int) -> NDArray[np.int64]:
        """Labelled pixels of each class in one image, (K,)."""
        labels = self.labels(index)
        known = np.empty(0, np.uint8) if labels is None else labels[labels != IGNORE]
        return np.bincount(known, minlength=len(self.classes)).astype(np.int64)

    def statistics(self, *, images: int = 64, seed: int = 0) -> Statistics:
        """Of all pixels that hold data in at most `images` images, drawn with `seed`; one that cannot be read is
        replaced by another. A band that is the same everywhere has std 1.

        Raises InputError where images differ in bands or dtype, or none can be read.
        """
        moments, first, reason = _Moments(), "", ""
        for index in np.random.default_rng(seed).permutation(len(self)).tolist():
            try:
                image, valid = self.load(index)
            except InputError as error:
                reason = reason or str(error)
                continue
            name = str(self.items[index].image)
            moments.add(image, valid, name, first)
            first = first or name
            if moments.images == images:
                break
        if not moments.images:
            raise InputError(f"none of the {len(self)} images can be read. The first of them: {reason}")
        return moments.statistics()

    def _require_format(self, image: Image, path: Path) -> None:
        if self.bands and image.shape[2] != self.bands:
            raise InputError(
                f"{path} has {_bands(image)}; wanted are {self.bands}. Convert it, or leave it out."
            )
        if self.dtype and image.dtype != self.dtype:
            raise InputError(
                f"{path} holds {image.dtype}; wanted is {self.dtype}. Convert it, or leave it out."
            )


def read_picture(path: Path) -> tuple[Image, Valid | None]:
    """(H, W, bands) of the file's own dtype and the pixels that hold data from a TIFF; else uint8 RGB and None.

    A TIFF's alpha band is no band of the image. Raises InputError.
    """
    if path.suffix.lower() not in TIFF:
        return open_image(path), None
    with open_raster(path) as dataset:
        return read_bands(dataset, Window(0, 0, dataset.width, dataset.height))


def read_bands(dataset: Any, window: Window) -> tuple[Image, Valid | None]:
    """All bands but alpha of a window of an open raster, and the pixels that hold data, None for all."""
    bands = [band for band, colour in enumerate(dataset.colorinterp, 1) if colour != ColorInterp.alpha]
    pixels, valid = read_window(dataset, bands, window)
    return pixels, None if valid.all() else valid


def _filled(image: Image, valid: Valid, item: LabelledImage) -> Image:
    """With each band's mean of the valid pixels where there is no data; InputError where there is none at all."""
    if not valid.any():
        raise InputError(f"{item.image} ({item.name}) has no pixel with data. Leave it out.")
    mean = image[valid].mean(axis=0, dtype=np.float64)
    if image.dtype.kind in "iu":
        mean = np.rint(mean)
    return np.where(valid[..., None], image, mean.astype(image.dtype))


def _require_upright(image: Image, labels: Labels, item: LabelledImage) -> None:
    """Raises InputError for a mask of a photograph as it lies in its file, not as it is shown."""
    height, width = image.shape[:2]
    if height == width or labels.shape != (width, height) or item.image.suffix.lower() in TIFF:
        return
    with PIL.Image.open(item.image) as opened:
        turned = opened.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    if turned:
        raise InputError(
            f"{item.mask} is {width}x{height} and {item.image.name} {height}x{width} pixels once it is upright, as its "
            "EXIF orientation says. Turn the mask upright too."
        )


def _bands(image: Image) -> str:
    return f"{image.shape[2]} band" + ("s" if image.shape[2] > 1 else "")


class _Moments:
    """Sums over pixels, in float64, so that images can be added one by one."""

    def __init__(self) -> None:
        self.images = self.pixels = 0
        self.mean = self.squares = np.empty(0)
        self.dtype: Any = None

    def add(self, image: Image, valid: Valid | None, name: str, first: str) -> None:
        if self.images and (image.shape[2] != len(self.mean) or image.dtype != self.dtype):
            raise InputError(
                f"{name} has {_bands(image)} of {image.dtype}, and {first} {len(self.mean)} of {self.dtype}; all "
                "images must be alike. Convert them."
            )
        values = image.reshape(-1, image.shape[2]) if valid is None else image[valid]
        if not self.images:
            self.mean, self.squares, self.dtype = *np.zeros((2, image.shape[2])), image.dtype
        self.images += 1
        if not len(values):
            return
        mean, spread = values.mean(axis=0, dtype=np.float64), values.var(axis=0, dtype=np.float64)
        total, apart = self.pixels + len(values), mean - self.mean
        self.squares += spread * len(values) + apart**2 * (self.pixels * len(values) / total)
        self.mean += apart * (len(values) / total)
        self.pixels = total

    def statistics(self) -> Statistics:
        std = np.sqrt(self.squares / max(self.pixels, 1))
        return Statistics(
            tuple(self.mean.tolist()), tuple(value or 1.0 for value in std.tolist()), str(self.dtype)
        )
