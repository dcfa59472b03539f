"""Colours for any number of classes, for results that bring none of their own."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray


def distinct_colours(count: int) -> NDArray[np.uint8]:
    """`count` RGB colours, (K, 3) uint8: hues a golden angle apart, so that neighbours differ."""
    rows = []
    for index in range(count):
        hue = (0.58 + index * 0.61803398875) % 1.0
        lightness = (0.52, 0.40, 0.66)[index % 3]
        rows.append([round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, 0.65)])
    return np.array(rows, dtype=np.uint8).reshape(count, 3)
