"""Lines that age and the face's play draw: on the forehead, beside the eyes, from the nose to the mouth."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vitrail_avatars.appearance.noise import noise, smoothstep

_CHEEK = np.array([[0.30, -0.66], [0.37, -0.78], [0.44, -0.92], [0.50, -1.06], [0.53, -1.20]])
_MOUTH = np.array([[0.47, -1.20], [0.49, -1.32], [0.47, -1.46]])
_FROWN = np.array([[0.10, 0.12], [0.11, 0.24], [0.13, 0.36]])
"""x and y on the mean head: the fold between cheek and lips, the one below the mouth's corner, the frown's."""


@dataclass(frozen=True)
class Lines:
    """cheek: fold from nose to mouth. mouth: below its corners. forehead, frown: above and between the brows. feet:
    rays beside the eyes. All 0 to 1."""

    cheek: float
    mouth: float
    forehead: float
    frown: float
    feet: float


def shade_lines(place: np.ndarray, lines: Lines, seed: int) -> np.ndarray:
    """What they take from the logarithm of the skin's colour, (S, S)."""
    x, y, z = np.moveaxis(place, -1, 0)
    side = np.abs(x)
    shade = 0.55 * lines.cheek * _line(side, y, _CHEEK, 0.022) + 0.2 * lines.cheek * _line(
        side, y, _CHEEK, 0.06
    )
    shade = shade + 0.45 * lines.mouth * _line(side, y, _MOUTH, 0.02)
    shade = shade + 0.5 * lines.frown * _line(side, y, _FROWN, 0.012)
    wave = 0.03 * noise(np.stack([x, 0 * y, 0 * z], axis=-1), 0.35, seed) - 0.12 * side**2
    high = (y - wave - 0.42) / 0.13  # one line in each whole number
    across = np.abs(high - np.round(high)) * 0.13
    broken = np.clip(0.7 + 0.5 * noise(place, 0.2, seed + 1), 0, 1.2)
    on = smoothstep(-0.4, -0.2, high) * smoothstep(4.3, 3.6, high) * smoothstep(0.75, 0.45, side) * (z > -0.1)
    shade = shade + 0.4 * lines.forehead * np.exp(-((across / 0.011) ** 2)) * broken * on
    dx, dy = side - 0.72, y + 0.05
    far, turn = np.hypot(dx, dy), np.arctan2(dy, dx)
    rays = np.clip(np.cos(9 * turn + 0.6), 0, 1) ** 6
    feet = rays * smoothstep(0.05, 0.1, far) * smoothstep(0.32, 0.18, far) * (np.abs(turn) < 0.8)
    return ((shade + 0.4 * lines.feet * feet) * (z > -0.3)).astype(np.float32)


def _line(side: np.ndarray, y: np.ndarray, points: np.ndarray, width: float) -> np.ndarray:
    """1 on the line through the points (P, 2), falling off beside it, thinner towards its ends."""
    nearest, where = np.full(side.shape, np.inf, np.float32), np.zeros(side.shape, np.float32)
    for number, (start, end) in enumerate(pairwise(points)):
        way = end - start
        t = np.clip(((side - start[0]) * way[0] + (y - start[1]) * way[1]) / (way @ way), 0, 1)
        away = np.hypot(side - start[0] - t * way[0], y - start[1] - t * way[1])
        where = np.where(away < nearest, (number + t) / (len(points) - 1), where)
        nearest = np.minimum(nearest, away)
    return np.exp(-((nearest / width) ** 2)) * np.clip(4 * where * (1 - where) + 0.2, 0, 1)
