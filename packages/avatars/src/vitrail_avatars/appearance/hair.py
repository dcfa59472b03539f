"""Hair: strands that grow from the scalp of a person's neutral face, and fall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from vitrail_avatars.appearance.noise import noise, smoothstep
from vitrail_avatars.appearance.strands import STEPS, Face, Strands, roots

Style = Literal["bald", "buzz", "short", "swept", "fringe", "bob", "long", "curly", "afro", "tied"]

CENTRE = np.array([0.0, 0.15, -0.75], np.float32)
"""Inside the skull; distances of the hair from the head are taken from here."""

BROWS = 0.42
"""Hair before the face ends about here."""

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
    strands: int = 9000


def scalp(place: np.ndarray, recede: float) -> np.ndarray:
    """How much hair grows at places of the mean head, (..) from 0 to 1."""
    x, y, z = np.moveaxis(place, -1, 0)
    azimuth = np.abs(np.arctan2(x, z - CENTRE[2]))
    line = np.interp(azimuth, _AZIMUTH, _HAIRLINE)
    front = smoothstep(np.radians(75), np.radians(35), azimuth)
    temple = np.exp(-((azimuth - np.radians(38)) ** 2) / (2 * np.radians(12) ** 2))
    line = line + recede * (0.45 * front + 0.35 * temple)
    line = line + 0.05 * noise(place, 0.12, 11)
    ears = (np.abs(x) > 1.2) & (z < -0.9) & (y < 0.3)
    grown = smoothstep(-0.05, 0.08, y - line) * ~ears
    crown = np.hypot(x / 0.75, (z + 1.0) / 0.75) < 1
    thin = smoothstep(0.45, 0.9, np.asarray(recede)) * crown * (y > 1.0)
    return grown * (1 - 0.92 * thin)


def grow(hair: Hair, face: Face) -> Strands | None:
    """Strands on a person's head, or None for a bald one."""
    if hair.style == "bald":
        return None
    rng = np.random.default_rng(hair.seed)
    begin = roots(face, lambda place: scalp(place, hair.recede), hair.strands, rng)
    canonical, normals, count, steps = begin.place, begin.normals, len(begin.at), STEPS
    cut = _CUTS[hair.style]
    length = _lengths(hair, cut, canonical, rng)
    reach = _surface(face)
    tangent = _comb(hair, canonical)
    tangent -= (tangent * normals).sum(1, keepdims=True) * normals
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-6
    direction = cut.lift * normals + (1 - cut.lift) * tangent
    clump = noise(canonical, 0.22, hair.seed + 1)[:, None] * tangent[:, [2, 0, 1]]
    direction = direction + 0.2 * hair.wave * clump + cut.unruly * rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    layer = 0.015 + (0.04 + 0.14 * hair.volume) * rng.random(count) ** 1.5
    stride = length / (steps - 1)
    points = np.empty((count, steps, 3), np.float32)
    points[:, 0] = begin.at - 0.02 * normals
    position = begin.at.copy()
    knot = CENTRE + np.array([0.0, 0.25, -1.0]) * (reach(CENTRE + np.array([[0.0, 0.25, -1.0]])) + 0.1)
    for k in range(1, steps):
        if hair.style == "tied":
            tangent = knot - position
            stride = np.linalg.norm(tangent, axis=1) / (steps - k)
            tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-6
        direction = cut.stiff * direction + cut.comb * tangent
        direction[:, 1] -= (1 - cut.stiff) * cut.gravity
        direction /= np.linalg.norm(direction, axis=1, keepdims=True) + 1e-6
        position = _outside(
            position + stride[:, None] * direction, reach, layer * min(1, k / 3), hair.style in _FALLS
        )
        points[:, k] = position
    points = _trimmed(_curled(points, hair, stride, canonical, rng), rng)
    outer = np.linalg.norm(points - CENTRE, axis=2) - reach(points)
    shade = 0.55 + 0.45 * smoothstep(0.0, 0.12 + 0.15 * hair.volume, outer)
    tone = np.exp(0.12 * rng.standard_normal(count) + 0.12 * noise(canonical, 0.1, hair.seed + 2))
    colour = np.array(hair.colour, np.float32) * tone[:, None]
    width = np.float32(0.013) * np.exp(0.25 * rng.standard_normal(count))
    if hair.style == "tied":
        bun = rng.random(count) < 0.35
        points[bun] = _bun(knot, int(bun.sum()), 0.22 + 0.16 * hair.length, rng)
    return Strands(
        points, begin.triangle, begin.weights.astype(np.float32), width.astype(np.float32),
        shade.astype(np.float32), colour.astype(np.float32),
    )  # fmt: skip


def _bun(knot: np.ndarray, count: int, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Strands wound about a knot: (count, STEPS, 3), arcs of circles that are tilted this way and that."""
    pole = np.array([0.0, 0.35, -1.0]) + 0.35 * rng.standard_normal((count, 3))
    pole /= np.linalg.norm(pole, axis=1, keepdims=True)
    first = np.cross(pole, rng.standard_normal((count, 3)))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(pole, first)
    turn = np.linspace(0, 2.2, STEPS)
    wide = radius * np.sqrt(rng.uniform(0.5, 1.0, count))[:, None, None]
    high = radius * rng.uniform(-0.6, 0.6, count)[:, None, None]
    arc = np.cos(turn)[None, :, None] * first[:, None] + np.sin(turn)[None, :, None] * second[:, None]
    return knot + wide * arc + high * pole[:, None]


_FALLS = ("bob", "long", "fringe")


class _Cut(NamedTuple):
    """shortest, longest: in eye distances. stiff: how much of its direction a strand keeps from step to step. lift: how
    upright it starts. gravity, comb: what else turns it. unruly: spread of directions."""

    shortest: float
    longest: float
    stiff: float
    lift: float
    gravity: float
    comb: float
    unruly: float


_CUTS = {
    "buzz": _Cut(0.05, 0.12, 0.95, 0.9, 0.2, 0.0, 0.15),
    "short": _Cut(0.18, 0.42, 0.8, 0.3, 0.5, 0.05, 0.10),
    "swept": _Cut(0.35, 0.7, 0.85, 0.3, 0.3, 0.05, 0.07),
    "fringe": _Cut(0.4, 0.7, 0.6, 0.15, 1.0, 0.02, 0.06),
    "bob": _Cut(1.2, 1.9, 0.6, 0.15, 1.0, 0.01, 0.05),
    "long": _Cut(2.2, 3.4, 0.6, 0.15, 1.0, 0.01, 0.05),
    "curly": _Cut(0.6, 1.5, 0.7, 0.5, 0.8, 0.02, 0.15),
    "afro": _Cut(0.25, 0.8, 0.97, 0.97, 0.0, 0.0, 0.2),
    "tied": _Cut(1.3, 1.6, 0.3, 0.05, 0.0, 0.7, 0.03),
}


def _lengths(hair: Hair, cut: _Cut, canonical: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Of each strand, in eye distances."""
    x, y, z = canonical.T
    length = (cut.shortest + (cut.longest - cut.shortest) * hair.length) * (
        1 + 0.1 * rng.standard_normal(len(x))
    )
    low = np.clip(smoothstep(0.7, 1.1, np.abs(x)) * smoothstep(1.2, 0.6, y) + smoothstep(-0.2, -0.6, y), 0, 1)
    if hair.style in ("short", "swept", "fringe"):
        length = length * (1 - 0.65 * low)
    if hair.style in ("bob", "long", "fringe") and hair.part == 0:
        # Cut to a fringe that ends above the eyes: a strand from further back has a longer way to go.
        front = smoothstep(0.75, 0.4, np.abs(x)) * smoothstep(-0.75, -0.35, z)
        reach = 0.38 + 0.9 * np.clip(0.45 - z, 0, 2) + 0.06 * rng.standard_normal(len(x))
        length = np.where(front > 0.5, np.minimum(length, reach), length)
    return np.maximum(length, 0.03)


def _comb(hair: Hair, canonical: np.ndarray) -> np.ndarray:
    """Which way hair is combed, (S, 3)."""
    x, y, z = canonical.T
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
        high = smoothstep(0.2, 1.0, y)
        return np.stack([high * outward[:, 0], high - 1, high * (outward[:, 2] + 0.4)], axis=1)
    # parted: to either side of the parting, and back
    away = np.where(x > 0.45 * hair.part, one, -one)
    aside = np.stack([away, zero, -0.35 - 0.5 * smoothstep(-0.2, 0.4, z)], axis=1)
    high = smoothstep(0.2, 1.0, y)[:, None]  # lower down there is nowhere to go but down
    return high * aside + (1 - high) * np.array([0.0, -1.0, -0.1])


def _surface(face: Face):
    """A function from points (.., 3) to how far the skull reaches from `CENTRE` in their direction, (..).

    Without the shoulders, which would push hair far away from the neck, and without the ears.
    """
    bins = (24, 48)
    skull = face.neutral[(face.mean[:, 1] > -1.3) & (np.abs(face.mean[:, 0]) < 1.24)]

    def cell(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        away = points - CENTRE
        distance = np.linalg.norm(away, axis=-1)
        polar = np.arccos(np.clip(away[..., 1] / np.maximum(distance, 1e-6), -1, 1)) / np.pi
        turn = np.arctan2(away[..., 0], away[..., 2]) / (2 * np.pi) + 0.5
        return polar * (bins[0] - 1), turn * bins[1], distance

    rows, columns, distance = cell(skull)
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


def _outside(points: np.ndarray, reach, layer: np.ndarray, falls: bool) -> np.ndarray:
    """Points inside the head are moved out of it; hair that falls keeps to it above the ears."""
    away = points - CENTRE
    distance = np.linalg.norm(away, axis=1)
    least = reach(points) + layer
    most = np.where(falls & (points[:, 1] > 0.2), least + 0.22, np.inf)
    return CENTRE + away * (np.clip(distance, least, most) / np.maximum(distance, 1e-6))[:, None]


def _trimmed(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Strands that would hang before the eyes are cut above the brows."""
    steps = points.shape[1]
    height = BROWS + 0.06 * rng.standard_normal((len(points), 1))
    before = (np.abs(points[..., 0]) < 0.72) & (points[..., 2] > 0) & (points[..., 1] < height)
    last = np.where(before.any(axis=1), np.maximum(before.argmax(axis=1) - 1, 1), steps - 1)
    at = np.linspace(0, 1, steps) * last[:, None]
    low = np.minimum(at.astype(int), steps - 2)
    rows, part = np.arange(len(points))[:, None], (at - low)[..., None]
    return ((1 - part) * points[rows, low] + part * points[rows, low + 1]).astype(np.float32)


def _curled(
    points: np.ndarray, hair: Hair, stride: np.ndarray, canonical: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Waves and curls about the strands."""
    size = 0.02 * hair.wave + 0.09 * hair.curl
    if hair.style == "afro":
        size = 0.06
    if size == 0:
        return points
    count, steps = points.shape[:2]
    phase = 2 * np.pi * (noise(canonical, 0.15, hair.seed + 5) + 0.15 * rng.standard_normal(count))
    turns = np.arange(steps) * stride[:, None] / (0.45 - 0.25 * hair.curl) * 2 * np.pi + phase[:, None]
    grown = np.minimum(1, np.arange(steps) / 3) * size
    aside = np.stack([np.cos(turns), 0.3 * np.sin(turns), np.sin(turns)], axis=2)
    return (points + grown[None, :, None] * aside).astype(np.float32)
