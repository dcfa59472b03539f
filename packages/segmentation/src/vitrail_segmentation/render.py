"""Pictures for people: a preview of any raster, labels over it with a legend, several pictures side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vitrail.errors import InputError
from vitrail.results import Segmentation
from vitrail_segmentation.palettes import IGNORE, Palette
from vitrail_segmentation.stretch import percentiles, stretch

Picture = NDArray[np.uint8]
SMALLEST = 384
PAPER = (255, 255, 255)
INK = (30, 30, 30)


def rgb_preview(
    pixels: NDArray[Any], valid: NDArray[np.bool_] | None = None, *, order: Sequence[int] | None = None
) -> Picture:
    """(h, w, bands) of any type -> (h, w, 3) uint8; invalid pixels are white.

    order: the bands to show as red, green and blue, from 0; None for the first three, or the only one as grey.
    uint8 RGB stays as it is; everything else is stretched from the 2nd to the 98th percentile of each band.
    """
    if valid is None:
        valid = np.ones(pixels.shape[:2], dtype=np.bool_)
    if order is None:
        order = (0, 1, 2) if pixels.shape[2] >= 3 else (0, 0, 0)
    shown = pixels[..., list(order)]
    if pixels.dtype != np.uint8 or pixels.shape[2] != 3:
        shown = stretch(shown, *percentiles(shown, valid))
    return np.where(valid[..., None], shown, 255).astype(np.uint8)


def overlay_with_legend(image: Picture, segmentation: Segmentation, *, alpha: float = 0.5) -> Picture:
    """The labels laid over an RGB image of their size, and beside it each class that occurs with its share."""
    return _beside(segmentation.overlay(image, alpha=alpha), legend(segmentation, image.shape[0]))


def side_by_side(panels: Mapping[str, Picture], segmentation: Segmentation | None = None) -> Picture:
    """RGB pictures of one size under their titles, in a row; with `segmentation`, its legend at the end."""
    sizes = {picture.shape[:2] for picture in panels.values()}
    if len(sizes) != 1:
        raise InputError(f"Pictures side by side must have one size; these have {sorted(sizes)}.")
    height, width = sizes.pop()
    factor = _enlargement(height, width)
    height, width = height * factor, width * factor
    font = _font(height)
    gap, head = _font_size(height) // 2, 2 * _font_size(height)
    page = Image.new("RGB", (len(panels) * (width + gap) - gap, height + head), PAPER)
    draw = ImageDraw.Draw(page)
    for index, (title, picture) in enumerate(panels.items()):
        left = index * (width + gap)
        draw.text((left + 2, head // 2), title, INK, font=font, anchor="lm")
        page.paste(Image.fromarray(_enlarge(picture, factor)), (left, head))
    drawn = np.array(page)
    return drawn if segmentation is None else _beside(drawn, legend(segmentation, drawn.shape[0]))


def compare_labels(
    panels: Mapping[str, NDArray[np.uint8]], labels: Mapping[str, NDArray[Any]], palette: Palette
) -> NDArray[np.uint8]:
    """RGB `panels`, then one for each of `labels` (H, W), in a row under their titles; unlabelled pixels are white.

    The legend at the end has the classes and shares of the last one.
    """
    shown: Segmentation | None = None
    drawn = dict(panels)
    for title, each in labels.items():
        shown = Segmentation(labels=each, classes=palette.classes, palette=palette.array)
        drawn[title] = np.where((each == IGNORE)[..., None], np.uint8(255), shown.picture())
    return side_by_side(drawn, shown)


def legend(segmentation: Segmentation, height: int) -> Picture:
    """A column at least `height` tall: colour, name and share of each class that occurs, the largest first."""
    assert segmentation.palette is not None
    height = max(height * _enlargement(height, height), 1)
    size, font = _font_size(height), _font(height)
    shares = sorted(segmentation.fractions().items(), key=lambda item: -item[1])
    lines = [(name, f"{100 * share:.1f} %") for name, share in shares if share > 0] or [
        ("no labelled pixel", "")
    ]
    colours = dict(zip(segmentation.classes, segmentation.palette.tolist(), strict=True))
    names = max(font.getlength(name) for name, _ in lines)
    numbers = max(font.getlength(number) for _, number in lines)
    width = round(size * 4 + names + numbers)
    page = Image.new("RGB", (width, max(height, round(size * 1.6 * (len(lines) + 1)))), PAPER)
    draw = ImageDraw.Draw(page)
    for index, (name, number) in enumerate(lines):
        middle = round(size * 1.6 * (index + 1))
        if name in colours:
            box = (size // 2, middle - size // 2, size // 2 + size, middle - size // 2 + size)
            draw.rectangle(box, fill=tuple(colours[name]), outline=INK)
        draw.text((size * 2, middle), name, INK, font=font, anchor="lm")
        draw.text((width - size // 2, middle), number, INK, font=font, anchor="rm")
    return np.array(page)


def _beside(picture: Picture, column: Picture) -> Picture:
    picture = _enlarge(picture, _enlargement(*picture.shape[:2]))
    height = max(picture.shape[0], column.shape[0])
    page = np.full((height, picture.shape[1] + column.shape[1], 3), 255, dtype=np.uint8)
    page[: picture.shape[0], : picture.shape[1]] = picture
    page[: column.shape[0], picture.shape[1] :] = column
    return page


def _enlargement(height: int, width: int) -> int:
    """Whole factor that brings a small picture to a size at which a legend can be read beside it."""
    return max(1, SMALLEST // max(height, width))


def _enlarge(picture: Picture, factor: int) -> Picture:
    return picture if factor == 1 else picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _font_size(height: int) -> int:
    return int(np.clip(height // 36, 13, 40))


def _font(height: int) -> Any:
    return ImageFont.load_default(_font_size(height))
