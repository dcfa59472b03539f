"""Hair: strands that grow from the scalp of a person's neutral face, and fall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vitrail_avatars.appearance.noise import noise, smoothstep

Style = Literal["bald", "buzz", "short", "swept", "fringe", "bob", "long", "curly", "afro", "tied"]

CENTRE = np.array([0.0, 0.15, -0.75], np.float32)
"""Inside the skull; distances of the hair from the head are taken from here."""

_AZIMUTH = np.radians([0, 25, 42, 58, 70, 82, 96, 112, 135, 180])
_HAIRLINE = np.array([1.02, 1.05, 1.0, 0.72, 0.30, -0.10, 0.22, -0.35, -0.85, -0.98])
"""Height of the hairline at angles from straight ahead: forehead, temple, before, above and behind the ear, nape."""


@dataclass(frozen=True)
class Hair:
    """A haircut.

    length, volume, curl, wave: 0 to 1 within what the style has. part: -1 (person's right) to 1, where the hair is
    parted. recede: 0 to 1, how far the hairline has gone back at the temples and the crown. colour: linear RGB.
    strands: how many.
    """

    style: Style
    length: float
    volume: float
    curl: float
    wave: float
    part: float
    recede: float
    colour: tuple[float, float, float]
    seed: int
    strands: int = 6000


@dataclass(frozen=True)
class Strands:
    """points: (S, K, 3) float32, from the root to the tip, in the space of the neutral face. width: (S,), in eye
    distances. shade: (S, K), what the colour is multiplied by. colour: linear RGB of each, (S, 3)."""

    points: np.ndarray
    width: np.ndarray
    shade: np.ndarray
    colour: np.ndarray


def scalp(place: np.ndarray, recede: float) -> np.ndarray:
    """How much hair grows at places of the mean head, (..) from 0 to 1."""
    x, y, z = np.moveaxis(place, -1, 0)
    azimuth = np.abs(np.arctan2(x, z - CENTRE[2]))
    line = np.interp(azimuth, _AZIMUTH, _HAIRLINE)
    front = smoothstep(np.radians(75), np.radians(35), azimuth)
    temple = np.exp(-((azimuth - np.radians(38)) ** 2) / (2 * np.radians(12) ** 2))
    line = line + recede * (0.45 * front + 0.35 * temple)
    line = line + 0.05 * noise(place, 0.12, 11)
    grown = smoothstep(-0.05, 0.08, y - line)
    crown = np.hypot(x / 0.75, (z + 1.0) / 0.75) < 1
    thin = smoothstep(0.45, 0.9, np.asarray(recede)) * crown * (y > 1.0)
    return grown * (1 - 0.92 * thin)


def grow(hair: Hair, mean: np.ndarray, neutral: np.ndarray, triangles: np.ndarray) -> Strands | None:
    """Strands on a person's head, or None for a bald one.

    mean, neutral: (V, 3), the mean head and the person's; triangles: (F, 3) of the skin.
    """
    if hair.style == "bald":
        return None
    rng = np.random.default_rng(hair.seed)
    roots, normals, canonical = _roots(hair, mean, neutral, triangles, rng)
    count, steps = len(roots), 9
    length, stiff, lift, gravity = _cut(hair, canonical, rng)
    stiff = stiff[:, None]
    reach = _surface(
        neutral[mean[:, 1] > -1.3]
    )  # the skull; shoulders would push hair far away from the neck
    tangent = _comb(hair, canonical)
    tangent -= (tangent * normals).sum(1, keepdims=True) * normals
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-6
    direction = lift[:, None] * normals + (1 - lift[:, None]) * tangent
    clump = noise(canonical, 0.22, hair.seed + 1)[:, None] * tangent[:, [2, 0, 1]]
    direction = direction + 0.25 * hair.wave * clump + 0.12 * rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    layer = 0.015 + 0.16 * hair.volume * rng.random(count) ** 1.5
    step = length / (steps - 1)
    points = np.empty((count, steps, 3), np.float32)
    points[:, 0] = roots - 0.02 * normals
    position = roots.copy()
    for k in range(1, steps):
        direction = (
            stiff * direction + (1 - stiff) * np.array([0, -gravity, 0]) + (1 - stiff) * 0.25 * tangent
        )
        direction /= np.linalg.norm(direction, axis=1, keepdims=True) + 1e-6
        position = _outside(position + step[:, None] * direction, reach, layer * min(1, k / 3))
        points[:, k] = position
    points = _curled(points, hair, step, canonical, rng)
    outer = np.linalg.norm(points - CENTRE, axis=2) - reach(points)
    shade = 0.55 + 0.45 * smoothstep(0.0, 0.12 + 0.15 * hair.volume, outer)
    tone = np.exp(0.12 * rng.standard_normal(count) + 0.12 * noise(canonical, 0.1, hair.seed + 2))
    colour = np.array(hair.colour, np.float32) * tone[:, None]
    width = np.float32(0.016) * np.exp(0.25 * rng.standard_normal(count))
    return Strands(points, width.astype(np.float32), shade.astype(np.float32), colour.astype(np.float32))


def _roots(
    hair: Hair, mean: np.ndarray, neutral: np.ndarray, triangles: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Roots, outward normals there, and where on the mean head they are, each (S, 3)."""
    corners = mean[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chance = area * scalp(corners.mean(axis=1), hair.recede)
    chosen = rng.choice(len(triangles), hair.strands, p=chance / chance.sum())
    weights = rng.dirichlet([1.0] * 3, hair.strands)
    canonical = (weights[..., None] * corners[chosen]).sum(axis=1)
    keep = rng.random(hair.strands) < scalp(canonical, hair.recede)
    chosen, weights, canonical = chosen[keep], weights[keep], canonical[keep]
    own = neutral[triangles[chosen]]
    normals = np.cross(own[:, 1] - own[:, 0], own[:, 2] - own[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    return (weights[..., None] * own).sum(axis=1), normals, canonical


def _cut(
    hair: Hair, canonical: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Of each strand: length, how stiff it is and how upright it starts, both 0 to 1; and the pull of gravity."""
    x, y, z = canonical.T
    front = smoothstep(-0.4, 0.3, z) * smoothstep(0.6, 1.0, y)
    side = smoothstep(0.7, 1.1, np.abs(x)) * smoothstep(1.2, 0.6, y) + smoothstep(-0.2, -0.6, y)
    long = hair.length
    low, high, stiff, lift, gravity = {
        "buzz": (0.05, 0.12, 0.95, 0.9, 0.2),
        "short": (0.18, 0.45, 0.8, 0.35, 0.5),
        "swept": (0.35, 0.75, 0.85, 0.35, 0.35),
        "fringe": (0.5, 0.95, 0.6, 0.2, 1.0),
        "bob": (1.2, 1.9, 0.55, 0.2, 1.0),
        "long": (2.2, 3.6, 0.55, 0.2, 1.0),
        "curly": (0.7, 1.8, 0.7, 0.5, 0.8),
        "afro": (0.25, 0.8, 0.97, 0.97, 0.0),
        "tied": (1.4, 1.8, 0.5, 0.02, 0.0),
    }[hair.style]
    length = (low + (high - low) * long) * (1 + 0.12 * rng.standard_normal(len(x)))
    if hair.style in ("short", "swept", "fringe"):
        length = length * (1 - 0.65 * np.clip(side, 0, 1))
    if hair.style in ("bob", "long") and hair.part == 0:
        length = np.where(front > 0.5, np.minimum(length, 0.85), length)  # cut to a fringe
    ones = np.ones(len(x))
    return np.maximum(length, 0.03), stiff * ones, lift * ones, gravity


def _comb(hair: Hair, canonical: np.ndarray) -> np.ndarray:
    """Which way hair is combed, (S, 3)."""
    x, _, z = canonical.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    if hair.style in ("swept", "tied"):
        back = np.stack([0.15 * hair.part * one, 0.3 * one, -one], axis=1)
        if hair.style == "tied":
            back = np.array([0, 0.1, -2.35]) - canonical
        return back
    if hair.style in ("short", "buzz"):
        return np.stack([x * 0.6 - 0.7 * hair.part, -0.2 * one, 0.9 * smoothstep(-1.4, 0.3, z) - 0.3], axis=1)
    if hair.style == "fringe" or hair.part == 0:
        outward = canonical - CENTRE
        return np.stack([outward[:, 0], zero, outward[:, 2] + 0.4], axis=1)
    # parted: to either side of the parting, and back
    away = np.where(x > 0.45 * hair.part, one, -one)
    return np.stack([away, zero, -0.35 * one], axis=1)


def _surface(neutral: np.ndarray):
    """A function from points (.., 3) to how far the head reaches from `CENTRE` in their direction, (..)."""
    bins = (24, 48)

    def cell(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        away = points - CENTRE
        distance = np.linalg.norm(away, axis=-1)
        polar = np.arccos(np.clip(away[..., 1] / np.maximum(distance, 1e-6), -1, 1)) / np.pi
        turn = np.arctan2(away[..., 0], away[..., 2]) / (2 * np.pi) + 0.5
        return polar * (bins[0] - 1), turn * bins[1], distance

    rows, columns, distance = cell(neutral)
    table = np.zeros(bins)
    np.maximum.at(table, (np.round(rows).astype(int), np.round(columns).astype(int) % bins[1]), distance)
    for _ in range(6):  # empty cells take their neighbours' mean
        shifted = [np.roll(table, s, a) for a in (0, 1) for s in (1, -1)]
        counts = sum((s > 0).astype(float) for s in shifted)
        table = np.where(table > 0, table, sum(shifted) / np.maximum(counts, 1))

    def reach(points: np.ndarray) -> np.ndarray:
        rows, columns, _ = cell(points)
        top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
        down, right = rows - top, columns - left
        lower = np.minimum(top + 1, bins[0] - 1)
        a, b = left % bins[1], (left + 1) % bins[1]
        upper_row = (1 - right) * table[top, a] + right * table[top, b]
        lower_row = (1 - right) * table[lower, a] + right * table[lower, b]
        return (1 - down) * upper_row + down * lower_row

    return reach


def _outside(points: np.ndarray, reach, layer: np.ndarray) -> np.ndarray:
    """Points inside the head are moved out of it."""
    away = points - CENTRE
    distance = np.linalg.norm(away, axis=1)
    least = reach(points) + layer
    return CENTRE + away * (np.maximum(distance, least) / np.maximum(distance, 1e-6))[:, None]


def _curled(
    points: np.ndarray, hair: Hair, step: np.ndarray, canonical: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Waves and curls about the strands."""
    size = 0.02 * hair.wave + 0.09 * hair.curl
    if hair.style == "afro":
        size = 0.06
    if size == 0:
        return points
    count, steps = points.shape[:2]
    phase = 2 * np.pi * (noise(canonical, 0.15, hair.seed + 5) + 0.15 * rng.standard_normal(count))
    turns = np.arange(steps) * step[:, None] / (0.45 - 0.25 * hair.curl) * 2 * np.pi + phase[:, None]
    grown = np.minimum(1, np.arange(steps) / 3) * size
    aside = np.stack([np.cos(turns), 0.3 * np.sin(turns), np.sin(turns)], axis=2)
    return (points + grown[None, :, None] * aside).astype(np.float32)
