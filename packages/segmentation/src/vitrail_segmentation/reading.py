"""Images and label masks from files. Whatever is wrong with a file is one sentence that names it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError
from vitrail.results import open_image
from vitrail_segmentation.palettes import IGNORE, Palette

Unknown = Literal["error", "ignore"]


def read_image(path: Path) -> NDArray[Any]:
    """(H, W, bands) of the file's own dtype from a TIFF, else uint8 RGB (H, W, 3). Raises InputError."""
    return _read_tiff(path) if path.suffix.lower() in (".tif", ".tiff") else open_image(path)


def read_colour_labels(path: Path, palette: Palette, *, unknown: Unknown = "error") -> NDArray[np.uint8]:
    """Labels (H, W) from a picture whose colours are classes; the palette's ignored colours are `IGNORE`.

    Colours that the palette does not have raise InputError, or are `IGNORE` too where `unknown` says so.
    """
    image = read_image(path)
    if image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(
            f"{path} has {image.shape[2]} band(s) of {image.dtype}; wanted are label colours, three bands of uint8."
        )
    try:
        return palette.encode(image, unknown=IGNORE if unknown == "ignore" else None)
    except InputError as error:
        raise InputError(
            f'{path}: {error} To leave such pixels out, ask for unknown="ignore" (--unknown ignore).'
        ) from error


def read_class_labels(path: Path, classes: int, *, first: int = 0, nodata: int = IGNORE) -> NDArray[np.uint8]:
    """Labels (H, W) from a picture whose pixel values are classes: `first` is class 0, `nodata` is `IGNORE`.

    The picture is turned upright by its EXIF orientation, as `read_image` turns photographs.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            if opened.mode not in ("L", "P"):
                raise InputError(
                    f"{path} is a picture of mode {opened.mode}; wanted are class numbers, 8 bits in one channel."
                )
            values = np.array(ImageOps.exif_transpose(opened))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; wanted is a picture of class numbers.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is damaged or no picture: {error}. Get the file again.") from error
    return as_labels(values, path, classes, first=first, nodata=nodata)


def as_labels(
    values: NDArray[Any], path: Path, classes: int, *, first: int = 0, nodata: int = IGNORE
) -> NDArray[np.uint8]:
    """The integers that were read from `path` as labels (H, W): `first` is class 0, `nodata` is `IGNORE`.

    Raises InputError for any other value.
    """
    ignored = values == nodata
    labels = values.astype(np.int64) - first
    wrong = ~ignored & ((labels < 0) | (labels >= classes))
    if wrong.any():
        raise InputError(
            f"{path} has the value {int(values[wrong][0])}; wanted are classes {first} to {first + classes - 1}, "
            f"and {nodata} for pixels without a label."
        )
    return np.where(ignored, IGNORE, labels).astype(np.uint8)


def require_same_size(image: NDArray[Any], labels: NDArray[Any], image_path: Path, labels_path: Path) -> None:
    """Raises InputError unless (H, W, bands) and (H, W) agree."""
    if image.shape[:2] != labels.shape:
        raise InputError(
            f"{labels_path} is {labels.shape[0]}x{labels.shape[1]} and {image_path.name} is "
            f"{image.shape[0]}x{image.shape[1]} pixels; wanted are labels for every pixel of the image."
        )


def _read_tiff(path: Path) -> NDArray[Any]:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    if not path.exists():
        raise InputError(f"{path} does not exist; wanted is a TIFF image.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as opened:
                bands = opened.read()
    except RasterioError as error:
        raise InputError(
            f"{path} is damaged or no TIFF: {error.__cause__ or error}. Get the file again."
        ) from error
    return np.ascontiguousarray(np.moveaxis(bands, 0, -1))
