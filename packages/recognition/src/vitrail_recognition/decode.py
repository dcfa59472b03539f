"""Encoded pictures to pixels and back. A picture that cannot be decoded is an InputError that says where it
came from."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
"""What face data sets hold. Other formats are not even tried, which keeps rarely used parsers out of
reach."""


def decode_image(data: bytes, *, where: str) -> Pixels:
    """JPEG, PNG, WebP or BMP bytes -> (H, W, 3) uint8 RGB, turned upright by the EXIF orientation.

    where: the file or record, for messages. Raises InputError for damaged, truncated or unknown data.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not data:
        raise InputError(f"{where} is empty; wanted is a JPEG or PNG picture.")
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as opened:
            if opened.mode.startswith(("I", "F")):  # Pillow would clip them to white
                raise InputError(f"{where} holds more than 8 bits a band; wanted is an 8-bit picture.")
            return np.array(ImageOps.exif_transpose(opened).convert("RGB"))
    except UnidentifiedImageError as error:
        raise InputError(f"{where} is not a JPEG or PNG picture that can be read.") from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{where} is damaged: {error}. Get it again, or leave it out.") from error


def encode_image(
    image: Pixels | bytes, *, format: Literal["jpeg", "png"] = "jpeg", quality: int = 95
) -> bytes:
    """(H, W, 3) uint8 RGB -> JPEG or PNG bytes; bytes are encoded already and stay as they are."""
    from PIL import Image

    if isinstance(image, bytes):
        return image
    _require_rgb(image, "the image to encode")
    buffer = BytesIO()
    more: dict[str, Any] = {"quality": quality, "subsampling": 0} if format == "jpeg" else {}
    Image.fromarray(image).save(buffer, format=format.upper(), **more)
    return buffer.getvalue()


def fit_size(image: Pixels, size: tuple[int, int], *, where: str) -> Pixels:
    """The crop at `size` (height, width): as it is where it has that size, else with its sides resized to it.

    Raises InputError for another shape of picture: stretching would be wrong, and such a picture is no
    aligned crop.
    """
    from PIL import Image

    if image.shape[:2] == size:
        return image
    height, width = image.shape[:2]
    if height * size[1] != width * size[0]:
        raise InputError(
            f"{where} is {height}x{width}; wanted are aligned crops of {size[0]}x{size[1]}. Align the faces "
            "first."
        )
    return np.array(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def _require_rgb(image: NDArray[Any], what: str) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(f"{what} is {image.dtype} {image.shape}; wanted is uint8 RGB (H, W, 3).")
