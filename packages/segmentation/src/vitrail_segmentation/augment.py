"""Augmentation of an image and its labels together, for any number of bands and any numeric dtype.

Plain functions on numpy arrays, driven by the `numpy.random.Generator` that is given: the same generator state
gives the same result. `image` is (H, W, bands), `labels` is (H, W) integers.

Enlarging and shrinking of images is bicubic by Pillow, one band at a time (mode F, float32): it takes any
number of bands, and it averages when it shrinks, as the published pipeline does; torch's bicubic does not by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrail.errors import InputError

IGNORE = 255
Array = NDArray[Any]


def resize_image(image: Array, size: tuple[int, int]) -> Array:
    """Bicubic to `size` (height, width), (H, W, bands) -> (h, w, bands) of the same dtype.

    Bicubic overshoots at edges: integers are rounded and clipped to their range, floats are left as they are.
    """
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    bands = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(image[..., band], dtype=np.float32)).resize(
                (width, height), Image.Resampling.BICUBIC
            )
        )
        for band in range(image.shape[2])
    ]
    return _cast_like(np.stack(bands, axis=-1), image.dtype)


def resize_labels(labels: Array, size: tuple[int, int]) -> Array:
    """Nearest neighbour to `size` (height, width): each new pixel takes the label that lies under its centre."""
    height, width = size
    rows = ((np.arange(height) + 0.5) * labels.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * labels.shape[1] / width).astype(np.intp)
    return labels[rows[:, None], columns]


def random_scale(
    image: Array, labels: Array, scales: Sequence[float], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Resize by one of `scales`, drawn uniformly; sizes are rounded down, to at least one pixel."""
    scale = scales[int(rng.integers(len(scales)))]
    size = max(int(labels.shape[0] * scale), 1), max(int(labels.shape[1] * scale), 1)
    return resize_image(image, size), resize_labels(labels, size)


def pad_to(
    image: Array, labels: Array, size: tuple[int, int], *, ignore: int = IGNORE, fill: float = 0
) -> tuple[Array, Array]:
    """Extend at the bottom and the right to at least `size`: `fill` in the image, `ignore` in the labels."""
    below, right = max(size[0] - labels.shape[0], 0), max(size[1] - labels.shape[1], 0)
    if below or right:
        image = np.pad(image, ((0, below), (0, right), (0, 0)), constant_values=fill)
        labels = np.pad(labels, ((0, below), (0, right)), constant_values=ignore)
    return image, labels


def is_varied(labels: Array, *, max_share: float = 0.75, ignore: int = IGNORE) -> bool:
    """At least two classes, and none with `max_share` or more of the labelled pixels."""
    counts = np.unique(labels[labels != ignore], return_counts=True)[1]
    return len(counts) > 1 and bool(counts.max() / counts.sum() < max_share)


def smart_crop(
    image: Array,
    labels: Array,
    size: int,
    rng: np.random.Generator,
    *,
    max_share: float = 0.75,
    tries: int = 11,
    ignore: int = IGNORE,
    fill: float = 0,
) -> tuple[Array, Array]:
    """A random square of `size` pixels that is not nearly all one class.

    Places are drawn until `is_varied` holds, `tries` times at the most; then the last one is taken as it is.
    Smaller images are padded first, see `pad_to`. Returns views of (size, size, bands) and (size, size).
    """
    image, labels = pad_to(image, labels, (size, size), ignore=ignore, fill=fill)
    for _ in range(max(tries, 1)):
        top = int(rng.integers(labels.shape[0] - size + 1))
        left = int(rng.integers(labels.shape[1] - size + 1))
        crop = labels[top : top + size, left : left + size]
        if is_varied(crop, max_share=max_share, ignore=ignore):
            break
    return image[top : top + size, left : left + size], crop


def mosaic(parts: Sequence[tuple[Array, Array]], rng: np.random.Generator) -> tuple[Array, Array]:
    """Four image-and-labels pairs in the quarters of one picture of the size of the first.

    The point where they meet is uniform in the middle half of each axis; each quarter is a random crop of its
    pair. Order: top left, top right, bottom left, bottom right.
    """
    if len(parts) != 4:
        raise InputError(f"a mosaic is made of 4 images; {len(parts)} were given.")
    height, width = parts[0][1].shape
    for _, labels in parts:
        if labels.shape[0] < height or labels.shape[1] < width:
            raise InputError(
                f"a mosaic of {height}x{width} was given an image of {labels.shape[0]}x{labels.shape[1]}."
            )
    middle_y = int(rng.integers(height // 4, height - height // 4 + 1))
    middle_x = int(rng.integers(width // 4, width - width // 4 + 1))
    image, labels = np.empty_like(parts[0][0]), np.empty_like(parts[0][1])
    quarters = [
        (rows, columns)
        for rows in ((0, middle_y), (middle_y, height))
        for columns in ((0, middle_x), (middle_x, width))
    ]
    for (part_image, part_labels), ((y0, y1), (x0, x1)) in zip(parts, quarters, strict=True):
        top = int(rng.integers(part_labels.shape[0] - (y1 - y0) + 1))
        left = int(rng.integers(part_labels.shape[1] - (x1 - x0) + 1))
        image[y0:y1, x0:x1] = part_image[top : top + y1 - y0, left : left + x1 - x0]
        labels[y0:y1, x0:x1] = part_labels[top : top + y1 - y0, left : left + x1 - x0]
    return image, labels


def random_flip(
    image: Array, labels: Array, rng: np.random.Generator, *, horizontal: float = 0.5, vertical: float = 0.5
) -> tuple[Array, Array]:
    """Mirror left and right, and top and bottom, with these probabilities."""
    if rng.random() < horizontal:
        image, labels = image[:, ::-1], labels[:, ::-1]
    if rng.random() < vertical:
        image, labels = image[::-1], labels[::-1]
    return image, labels


def random_rotate90(
    image: Array, labels: Array, rng: np.random.Generator, *, probability: float = 0.5
) -> tuple[Array, Array]:
    """With `probability`, turn by 0, 90, 180 or 270 degrees, each as likely."""
    turns = int(rng.integers(4)) if rng.random() < probability else 0
    return np.rot90(image, turns), np.rot90(labels, turns)


def photometric_jitter(
    image: Array,
    rng: np.random.Generator,
    *,
    gain: float = 0.1,
    brightness: float = 0.1,
    noise: float = 0.02,
    where: Array | None = None,
) -> Array:
    """Each band times 1 +- `gain`, plus +- `brightness`, both uniform, plus normal noise for each pixel.

    Floats: `brightness` and `noise` are in the image's own units, standard deviations after normalising.
    Integers: they are fractions of the largest value of the dtype, and the result is rounded and clipped.
    where: (H, W) bool; other pixels stay as they are (those without data).
    """
    unit = 1.0 if image.dtype.kind == "f" else float(np.iinfo(image.dtype).max)
    bands = image.shape[2]
    factor = 1 + gain * rng.uniform(-1, 1, bands)
    offset = brightness * unit * rng.uniform(-1, 1, bands)
    grain = noise * unit * rng.standard_normal(image.shape) if noise else 0.0
    changed = _cast_like(image * factor + offset + grain, image.dtype)
    return changed if where is None else np.where(where[..., None], changed, image)


def _cast_like(values: Array, dtype: np.dtype[Any]) -> Array:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype, copy=False)
