"""Around the eyes: lids with their crease, lashes, and what tired and old eyes have under them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitrail_avatars.appearance.noise import noise, smoothstep
from vitrail_avatars.appearance.strands import STEPS, Face, Strands, roots

_ACROSS = np.array([0.25, 0.283, 0.36, 0.44, 0.505, 0.569, 0.65, 0.715, 0.76])
_UPPER = np.array([-0.075, -0.058, 0.002, 0.040, 0.047, 0.040, 0.006, -0.035, -0.045])
_LOWER = np.array([-0.075, -0.058, -0.090, -0.107, -0.113, -0.110, -0.086, -0.036, -0.045])
"""The margins of the lids of the mean head: heights at distances from the middle."""


@dataclass(frozen=True)
class Lids:
    """crease: height of the fold above the upper lid's margin, and fold: how deep it is. lashes: how dense and long.
    bags: how dark it is under the eyes. hollow: how dark the sockets are. All 0 to 1."""

    crease: float
    fold: float
    lashes: float
    bags: float
    hollow: float


def above(place: np.ndarray) -> np.ndarray:
    """Heights over the upper lid's margin of places on the mean head, (.., 3) -> (..)."""
    return place[..., 1] - np.interp(np.abs(place[..., 0]), _ACROSS, _UPPER)


def below(place: np.ndarray) -> np.ndarray:
    """Depths under the lower lid's margin."""
    return np.interp(np.abs(place[..., 0]), _ACROSS, _LOWER) - place[..., 1]


def beside_eye(place: np.ndarray) -> np.ndarray:
    """1 over and under an eye, 0 beside it."""
    side = np.abs(place[..., 0])
    return smoothstep(0.25, 0.33, side) * smoothstep(0.77, 0.69, side) * (place[..., 2] > -0.05)


def shade_lids(place: np.ndarray, lids: Lids, seed: int) -> np.ndarray:
    """What the lids' relief and margins take from the logarithm of the skin's colour, (S, S)."""
    near, side = beside_eye(place), np.abs(place[..., 0])
    up, down = above(place), below(place)
    height = 0.055 + 0.075 * lids.crease
    along = 0.35 + 0.65 * smoothstep(0.3, 0.5, side)
    fold = np.exp(-(((up - height) / 0.013) ** 2)) * (0.15 + 0.75 * lids.fold) * along
    lid = 0.12 * lids.fold * smoothstep(height + 0.01, height - 0.03, up) * smoothstep(-0.02, 0.0, up)
    margin = (0.35 + 0.5 * lids.lashes) * np.exp(-((up / 0.014) ** 2)) * smoothstep(0.26, 0.36, side)
    lower = (0.25 + 0.3 * lids.lashes) * np.exp(-((down / 0.013) ** 2)) * smoothstep(0.3, 0.5, side)
    bulge = 0.10 + 0.06 * lids.bags
    bag = np.exp(-(((down - bulge) / 0.035) ** 2)) * (0.5 * lids.bags)
    rim = np.exp(-(((down - bulge - 0.05 - 0.12 * smoothstep(0.45, 0.3, side)) / 0.022) ** 2))
    socket = np.exp(-(((side - 0.36) / 0.12) ** 2 + ((place[..., 1] - 0.13) / 0.10) ** 2))
    uneven = 1 + 0.15 * noise(place, 0.05, seed)
    relief = near * (fold + lid + margin + lower + bag + 0.4 * lids.bags * rim)
    return uneven * (relief + 0.35 * lids.hollow * socket * (place[..., 2] > 0))


def grow_lashes(lids: Lids, face: Face, seed: int) -> Strands:
    """Lashes of both lids, on a person's neutral face."""
    draw = np.random.default_rng(seed + 29)

    def margin(place: np.ndarray) -> np.ndarray:
        edge = np.exp(-(((above(place) - 0.004) / 0.008) ** 2)) + 0.4 * np.exp(-((below(place) / 0.008) ** 2))
        return np.clip(edge, 0, 1) * beside_eye(place) * (np.abs(place[..., 0]) > 0.33)

    begin = roots(face, margin, int(500 * (0.4 + 0.6 * lids.lashes)), draw)
    count = len(begin.at)
    x, upper = begin.place[:, 0], above(begin.place) > -0.03
    length = (
        (0.05 + 0.07 * lids.lashes) * np.where(upper, 1.0, 0.5) * np.exp(0.2 * draw.standard_normal(count))
    )
    aside = np.sign(x) * (np.abs(x) - 0.46) * 2.2
    direction = np.stack([aside, np.where(upper, -0.1, -0.5), np.ones(count)], axis=1)
    direction = direction + 0.15 * draw.standard_normal((count, 3))
    curl = np.stack([np.zeros(count), np.where(upper, 0.3, -0.1), np.zeros(count)], axis=1)
    points = np.empty((count, STEPS, 3), np.float32)
    points[:, 0] = begin.at
    for k in range(1, STEPS):
        direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
        points[:, k] = points[:, k - 1] + (length / (STEPS - 1))[:, None] * direction
        direction = direction + curl
    return Strands(
        points, begin.triangle, begin.weights.astype(np.float32), np.full(count, 0.007, np.float32),
        np.ones((count, STEPS), np.float32), np.full((count, 3), 0.012, np.float32),
    )  # fmt: skip
