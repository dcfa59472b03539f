"""Open a photograph: upright, uint8 RGB, whatever the file holds."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from vitrail.errors import InputError, NotInstalledError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif")
"""Endings by which a photograph is recognised in a folder."""

_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def open_photo(path: Path | str) -> NDArray[np.uint8]:
    """Read a photograph as uint8 RGB (H, W, 3), turned upright by its EXIF orientation.

    Any mode of Pillow is taken: palettes, grey, CMYK, 16 bits a band (its upper 8 are kept). Transparent parts
    become white; of an animation the first frame is read. Raises InputError in one sentence for a file that is
    missing, no picture, damaged or too large, NotInstalledError for HEIC without a reader.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # phones make 100 megapixels
            with _open(path) as opened:
                if min(opened.size) == 0:
                    raise InputError(f"{path} is empty: {opened.width}x{opened.height} pixels.")
                return np.array(_to_rgb(ImageOps.exif_transpose(opened), path))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; wanted is a photograph.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder; wanted is a photograph.") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not a picture that can be read (JPEG, PNG, WebP, TIFF).") from error
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path} has more than {2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6} megapixels, which is refused "
            "because a small file can claim any size; save it smaller."
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"{path} cannot be read: {error.strerror}.") from error
        raise InputError(f"{path} is damaged: {error}. Get the file again.") from error


def check_rgb(image: NDArray[Any], what: str = "the photograph") -> None:
    """InputError unless `image` is uint8 RGB (H, W, 3) with pixels in it."""
    shape, dtype = getattr(image, "shape", None), getattr(image, "dtype", None)
    if shape is None or len(shape) != 3 or shape[2] != 3 or dtype != np.uint8 or 0 in shape:
        raise InputError(f"{what} is {dtype} of shape {shape}; wanted is uint8 RGB, (H, W, 3).")


def shrink(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The image with its longer side at most `side`, smoothed; itself where it is small enough."""
    height, width = image.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return image
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except UnidentifiedImageError:
        if not _is_heif(path):
            raise
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise NotInstalledError(
            f"{path} is a HEIC picture, as iPhones take them, and Pillow cannot read those alone: "
            "pip install pillow-heif, or save the picture as JPEG."
        ) from error
    register_heif_opener()
    return Image.open(path)


def _is_heif(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def _to_rgb(picture: Image.Image, path: Path) -> Image.Image:
    if picture.mode == "F":
        raise InputError(f"{path} holds floating-point values of no known range; save it with 8 bits a band.")
    if picture.mode.startswith("I"):  # 16 bits; Pillow's own conversion would clip to white
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"{path} holds values beyond 16 bits; save it with 8 bits a band.")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        with_alpha = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, with_alpha).convert("RGB")
    return picture.convert("RGB")
