"""A picture to look at: an image, its labels and what was found, side by side, with a legend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vitrail.results import Segmentation
from vitrail_segmentation.palettes import IGNORE, Palette

Array = NDArray[Any]
GAP, LINE, FONT, SMALL = 8, 24, 14, 400


def comparison(image: Array, labels: Mapping[str, Array], palette: Palette) -> NDArray[np.uint8]:
    """`image` (H, W, 3) uint8, then a panel for each of `labels` (H, W), titled by its name, and the classes below.

    Pixels with 255 show the image, darkened. Small images are enlarged. Returns (H', W', 3) uint8.
    """
    times = max(1, -(-SMALL // max(image.shape[:2])))
    panels = {"image": image} | {title: _coloured(image, each, palette) for title, each in labels.items()}
    height, width = image.shape[0] * times, image.shape[1] * times
    rows = _legend_rows(palette, len(panels) * (width + GAP) - GAP)
    page = Image.new(
        "RGB", (len(panels) * (width + GAP) + GAP, height + LINE + len(rows) * LINE + GAP), "white"
    )
    draw, font = ImageDraw.Draw(page), _font()
    for number, (title, panel) in enumerate(panels.items()):
        left = GAP + number * (width + GAP)
        draw.text((left, LINE // 2), title, fill="black", font=font, anchor="lm")
        large = panel.repeat(times, axis=0).repeat(times, axis=1)
        page.paste(Image.fromarray(large), (left, LINE))
    for line, entries in enumerate(rows):
        middle = height + LINE + GAP + line * LINE + LINE // 2
        for left, k in entries:
            box = (left, middle - 6, left + 12, middle + 6)
            draw.rectangle(box, fill=palette.colours[k], outline="black")
            draw.text((left + 18, middle), palette.classes[k], fill="black", font=font, anchor="lm")
    return np.asarray(page)


def natural_colours(image: Array, bands: tuple[int, int, int]) -> NDArray[np.uint8]:
    """(H, W, bands) -> (H, W, 3) uint8; what is not uint8 is stretched between its 2nd and 98th percentile."""
    chosen = image[..., bands]
    if chosen.dtype == np.uint8:
        return np.ascontiguousarray(chosen)
    low, high = np.percentile(chosen, (2, 98), axis=(0, 1))
    return (255 * ((chosen - low) / np.maximum(high - low, 1e-6)).clip(0, 1)).astype(np.uint8)


def _coloured(image: Array, labels: Array, palette: Palette) -> NDArray[np.uint8]:
    found = Segmentation(labels=labels, classes=palette.classes, palette=palette.array)
    return np.where((labels == IGNORE)[..., None], image // 3, found.overlay(image, alpha=0.75))


def _legend_rows(palette: Palette, width: int) -> list[list[tuple[int, int]]]:
    """Which class stands where: for each line, (left, class) of its entries."""
    font, rows, left = _font(), [[]], GAP
    for k, name in enumerate(palette.classes):
        needed = 18 + int(font.getlength(name)) + 2 * GAP
        if rows[-1] and left + needed > width:
            rows.append([])
            left = GAP
        rows[-1].append((left, k))
        left += needed
    return rows


def _font() -> Any:
    return ImageFont.load_default(size=FONT)
