"""Spectacles: two rims, a bridge and two arms, and dark lenses where they are for the sun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from vitrail_avatars.landmarks import points_68

GlassesKind = Literal["none", "round", "square", "sun"]
GLASSES: tuple[GlassesKind, ...] = ("none", "round", "square", "sun")
_EDGE, _TUBE = 28, 6  # corners of a rim, and of its cross-section


@dataclass(frozen=True)
class Glasses:
    """colour: linear RGB of the frame. thickness: of it, 0 to 1. size: of the lenses, 0 to 1."""

    kind: GlassesKind
    colour: tuple[float, float, float]
    thickness: float
    size: float


class Mesh(NamedTuple):
    """points, normals, colours: (P, 3) float32; triangles: (T, 3) int64."""

    points: np.ndarray
    normals: np.ndarray
    colours: np.ndarray
    triangles: np.ndarray


def glasses_mesh(glasses: Glasses, neutral: np.ndarray) -> Mesh | None:
    """Fitted to a person's neutral face (V, 3). None for none."""
    if glasses.kind == "none":
        return None
    marks = neutral[points_68().numpy()]
    bridge = marks[27]
    front = max(
        bridge[2] + 0.12, marks[[17, 19, 24, 26], 2].max() + 0.06, marks[[37, 38, 43, 44], 2].max() + 0.22
    )
    wide, high = (0.33 + 0.09 * glasses.size), (0.25 + 0.09 * glasses.size)
    radius = 0.014 + 0.022 * glasses.thickness
    power = 2.0 if glasses.kind == "round" else 4.0  # of the superellipse: 2 is an ellipse
    high = wide * 0.9 if glasses.kind == "round" else high
    turn = np.linspace(0, 2 * np.pi, _EDGE, endpoint=False)
    parts = []
    for sign in (-1.0, 1.0):
        c, s = np.cos(turn), np.sin(turn)
        x = sign * 0.5 + wide * np.sign(c) * np.abs(c) ** (2 / power)
        y = bridge[1] - 0.07 + high * np.sign(s) * np.abs(s) ** (2 / power)
        z = front - 0.10 * ((np.abs(x) - 0.1) ** 2)
        rim = np.stack([x, y, z], axis=1)
        parts.append(_tube(np.concatenate([rim, rim[:1]]), radius, glasses.colour))
        if glasses.kind == "sun":
            parts.append(_lens(rim, sign))
        hinge = np.array([sign * (0.5 + wide), bridge[1] + 0.02, front - 0.10 * (0.4 + wide) ** 2])
        ear = np.array([sign * 1.22, marks[0 if sign < 0 else 16, 1] + 0.22, -0.75])
        parts.append(_tube(np.linspace(hinge, ear, 6), radius * 0.9, glasses.colour))
    inner = 0.5 - wide
    across = np.linspace(-inner, inner, 7)
    arch = bridge[1] - 0.02 + 0.03 * (1 - (across / max(inner, 1e-3)) ** 2)
    parts.append(_tube(np.stack([across, arch, np.full(7, front)], axis=1), radius, glasses.colour))
    shift, points, triangles = 0, [], []
    for part in parts:
        points.append(part)
        triangles.append(part.triangles + shift)
        shift += len(part.points)
    return Mesh(
        *(
            np.concatenate([getattr(p, n) for p in points]).astype(np.float32)
            for n in ("points", "normals", "colours")
        ),
        np.concatenate(triangles),
    )


def _tube(line: np.ndarray, radius: float, colour: tuple[float, float, float]) -> Mesh:
    """A tube about a line (n, 3)."""
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    aside = np.cross(along, [0.13, 0.21, 0.97])
    aside /= np.linalg.norm(aside, axis=1, keepdims=True) + 1e-9
    other = np.cross(along, aside)
    turn = np.linspace(0, 2 * np.pi, _TUBE, endpoint=False)
    normals = np.cos(turn)[None, :, None] * aside[:, None] + np.sin(turn)[None, :, None] * other[:, None]
    points = line[:, None] + radius * normals
    first = (np.arange(len(line) - 1)[:, None] * _TUBE + np.arange(_TUBE)[None]).ravel()
    beside = (np.arange(len(line) - 1)[:, None] * _TUBE + (np.arange(_TUBE)[None] + 1) % _TUBE).ravel()
    triangles = np.concatenate(
        [np.stack([first, beside, first + _TUBE], 1), np.stack([beside, beside + _TUBE, first + _TUBE], 1)]
    )
    count = points.shape[0] * _TUBE
    return Mesh(
        points.reshape(-1, 3), normals.reshape(-1, 3), np.tile(np.array(colour), (count, 1)), triangles
    )


def _lens(rim: np.ndarray, sign: float) -> Mesh:
    middle = rim.mean(axis=0)
    points = np.concatenate([middle[None], rim - np.array([0, 0, 0.005])])
    normals = points - middle + np.array([0.0, 0.0, 1.2])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    count = len(rim)
    edge = np.arange(count)
    triangles = np.stack([np.zeros(count, int), 1 + edge, 1 + (edge + 1) % count], axis=1)
    return Mesh(points, normals, np.full((count + 1, 3), 0.012), triangles)
