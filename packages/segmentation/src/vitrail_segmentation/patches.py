"""Cutting pictures and their masks into patches of one size, as data-set tools do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError

Anchor = Literal["top-left", "bottom-right"]


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A square piece. image: (S, S, bands); mask: (S, S) or None; top, left: its corner in the picture.

    The corner may lie outside the picture where the picture was padded at the top and left.
    """

    image: NDArray[Any]
    mask: NDArray[Any] | None
    top: int
    left: int


def positions(length: int, size: int, stride: int) -> Iterator[int]:
    """Where patches start along an axis: 0, stride, 2 stride ... until the axis is covered.

    The last patch may reach over the end.
    """
    if size < 1 or not 1 <= stride <= size:
        raise UsageError(
            f"Patches of {size} every {stride} pixels leave gaps; wanted is 1 <= stride <= size."
        )
    start = 0
    yield start
    while start + size < length:
        start += stride
        yield start


def cut_patches(
    image: NDArray[Any],
    mask: NDArray[Any] | None = None,
    *,
    size: int,
    stride: int | None = None,
    ignore: int = 255,
    fill: float = 0,
    anchor: Anchor = "top-left",
    multiple_of: int | None = None,
) -> Iterator[Patch]:
    """Cut an image (H, W, bands) and its mask (H, W) into square patches, row by row.

    Where a patch reaches over the picture, the image is padded with `fill` and the mask with `ignore`, so that no
    loss and no metric sees the padding.

    stride: distance of neighbouring patches; None for patches that do not overlap.
    anchor: the corner of the padded canvas in which the picture lies.
    multiple_of: round the sides of the canvas up to a multiple of this; None for the smallest canvas that works.
    """
    stride = size if stride is None else stride
    if mask is not None and mask.shape != image.shape[:2]:
        raise InputError(f"The image is {image.shape[:2]} and its mask {mask.shape}; sizes must agree.")
    if anchor not in ("top-left", "bottom-right"):
        raise UsageError(f"anchor is {anchor!r}; wanted is top-left or bottom-right.")
    height, width = image.shape[:2]
    if not height or not width:
        raise InputError(f"The image has shape {image.shape}: there is nothing to cut.")
    canvas = [_canvas(side, size, stride, multiple_of) for side in (height, width)]
    above, before = (canvas[0] - height, canvas[1] - width) if anchor == "bottom-right" else (0, 0)
    for top in positions(canvas[0], size, stride):
        for left in positions(canvas[1], size, stride):
            box = (top - above, left - before)
            yield Patch(
                image=_crop(image, *box, size, fill),
                mask=None if mask is None else _crop(mask, *box, size, ignore),
                top=box[0],
                left=box[1],
            )


def _canvas(length: int, size: int, stride: int, multiple_of: int | None) -> int:
    if multiple_of is not None:
        length = -(-length // multiple_of) * multiple_of
    return max(positions(length, size, stride)) + size


def _crop(array: NDArray[Any], top: int, left: int, size: int, fill: float) -> NDArray[Any]:
    piece = np.full((size, size, *array.shape[2:]), fill, dtype=array.dtype)
    rows = slice(max(top, 0), max(min(top + size, array.shape[0]), 0))
    columns = slice(max(left, 0), max(min(left + size, array.shape[1]), 0))
    inside = array[rows, columns]
    down, right = rows.start - top, columns.start - left
    if inside.size:
        piece[down : down + inside.shape[0], right : right + inside.shape[1]] = inside
    return piece
