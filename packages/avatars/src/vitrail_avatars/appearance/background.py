"""What is behind people: a plain wall, a gradient, or blurred clutter."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

from vitrail_avatars.appearance.colours import from_srgb

Kind = Literal["plain", "gradient", "clutter"]
KINDS: tuple[Kind, ...] = ("plain", "gradient", "clutter")


def background(kind: Kind, colour: np.ndarray, size: int, draw: np.random.Generator) -> np.ndarray:
    """Linear RGB (size, size, 3) float32. colour: sRGB (3,), that of the most of it."""
    down, across = np.mgrid[0:size, 0:size] / size - 0.5
    if kind == "plain":
        fall = 1 - 0.25 * draw.random() * (across**2 + down**2) * 2
        picture = colour * fall[..., None]
    elif kind == "gradient":
        turn = draw.uniform(0, 2 * np.pi)
        along = np.clip(0.5 + across * np.cos(turn) + down * np.sin(turn), 0, 1)[..., None]
        other = np.clip(colour + draw.normal(0, 0.18, 3), 0, 1)
        picture = colour * (1 - along) + other * along
    else:
        picture = _clutter(colour, size, draw)
    return from_srgb(np.clip(picture, 0, 1)).astype(np.float32)


def _clutter(colour: np.ndarray, size: int, draw: np.random.Generator) -> np.ndarray:
    """Boxes, bars and lights out of focus."""
    canvas = np.ones((size, size, 3)) * colour
    for _ in range(int(draw.integers(6, 22))):
        wide, high = draw.uniform(0.05, 0.6, 2) * size
        x, y = draw.uniform(-0.2, 1.1, 2) * size
        box = (slice(max(0, int(y)), max(0, int(y + high))), slice(max(0, int(x)), max(0, int(x + wide))))
        hue = (
            np.clip(colour + draw.normal(0, 0.22, 3), 0, 1) if draw.random() < 0.8 else draw.uniform(0, 1, 3)
        )
        canvas[box] = hue
    for _ in range(int(draw.integers(0, 6))):
        x, y, radius = draw.uniform(0, size, 3) * (1, 1, 0.06)
        down, across = np.mgrid[0:size, 0:size]
        canvas[np.hypot(across - x, down - y) < radius] = np.clip(
            draw.uniform(0.7, 1.0) + draw.normal(0, 0.1, 3), 0, 1
        )
    picture = Image.fromarray(np.round(255 * canvas).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(size * draw.uniform(0.01, 0.04)))) / 255
