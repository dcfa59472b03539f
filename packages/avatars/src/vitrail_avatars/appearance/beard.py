"""Beards: stubble on the skin, and strands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vitrail_avatars.appearance.noise import noise, smoothstep
from vitrail_avatars.appearance.strands import STEPS, Face, Strands, roots

Growth = Literal["none", "stubble", "moustache", "goatee", "full"]
BEARDS: tuple[Growth, ...] = ("none", "stubble", "moustache", "goatee", "full")


@dataclass(frozen=True)
class Beard:
    """length, density: 0 to 1. colour: linear RGB."""

    style: Growth
    length: float
    density: float
    colour: tuple[float, float, float]


def area(place: np.ndarray, style: Growth) -> np.ndarray:
    """Where it grows: places of the mean head (.., 3) -> (..), 0 to 1."""
    x, y, z = np.moveaxis(place, -1, 0)
    side = np.abs(x)
    if style == "none":
        return np.zeros(x.shape)
    moustache = (
        smoothstep(0.46, 0.38, side)
        * smoothstep(-0.84, -0.9, y)
        * smoothstep(-1.14, -1.08, y + 0.35 * side**2)
    )
    chin = smoothstep(0.42, 0.3, side) * smoothstep(-1.33, -1.4, y) * smoothstep(-2.1, -1.9, y) * (z > -0.4)
    beside = (
        smoothstep(0.36, 0.41, side) * smoothstep(0.52, 0.47, side) * smoothstep(-0.9, -1.0, y) * (y > -1.6)
    )
    if style == "moustache":
        return moustache
    if style == "goatee":
        return np.maximum(np.maximum(moustache, chin), beside * (z > -0.2))
    top = -1.05 + 0.85 * smoothstep(0.6, 1.12, side)  # rises to the ears
    jaw = smoothstep(0.06, -0.06, y - top) * smoothstep(-2.1, -1.85, y) * smoothstep(-0.75, -0.55, z)
    mouth = smoothstep(1.0, 1.25, np.hypot(side / 0.42, (y + 1.17) / 0.27))
    return np.maximum(np.maximum(jaw * mouth, moustache), np.maximum(chin, beside))


def stubble(place: np.ndarray, lips: np.ndarray, beard: Beard, seed: int) -> np.ndarray:
    """How much of the skin its hairs hide, (S, S), 0 to 1."""
    strength = {"none": 0.0, "stubble": 0.2 + 0.4 * beard.length}.get(beard.style, 0.6)
    hairs = np.clip(0.55 + 0.35 * noise(place, 0.012, seed), 0, 1)
    patches = np.clip(1 + 0.25 * noise(place, 0.12, seed + 1), 0, 1.4)
    return np.clip(area(place, beard.style) * strength * beard.density * hairs * patches, 0, 1) * (lips < 0.3)


def grow_beard(beard: Beard, face: Face, seed: int) -> Strands | None:
    """Its strands, or None where there is stubble at most."""
    if beard.style in ("none", "stubble"):
        return None
    draw = np.random.default_rng(seed + 17)
    wanted = {"moustache": 900, "goatee": 2200, "full": 5500}[beard.style]
    begin = roots(
        face, lambda place: area(place, beard.style), int(wanted * (0.4 + 0.6 * beard.density)), draw
    )
    count = len(begin.at)
    moustache = begin.place[:, 1] > -1.12
    length = (0.05 + 0.22 * beard.length**2) * np.exp(0.2 * draw.standard_normal(count))
    length = np.where(moustache, np.minimum(length, 0.1), length)
    along = np.zeros((count, 3))  # down, a moustache to its sides
    along[:, 0], along[:, 1] = np.where(moustache, 0.9 * np.sign(begin.place[:, 0]), 0), -1
    direction = 0.45 * begin.normals + along + 0.25 * draw.standard_normal((count, 3))
    points = np.empty((count, STEPS, 3), np.float32)
    points[:, 0] = begin.at
    for k in range(1, STEPS):
        direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
        points[:, k] = points[:, k - 1] + (length / (STEPS - 1))[:, None] * direction
        direction = direction + 0.1 * along
    tone = np.exp(0.18 * draw.standard_normal(count))[:, None]
    shade = np.repeat(np.linspace(0.6, 1.0, STEPS, dtype=np.float32)[None], count, 0)
    width = 0.012 * np.exp(0.2 * draw.standard_normal(count))
    colour = np.array(beard.colour) * tone
    return Strands(
        points, begin.triangle, begin.weights.astype(np.float32), width.astype(np.float32), shade,
        colour.astype(np.float32),
    )  # fmt: skip
