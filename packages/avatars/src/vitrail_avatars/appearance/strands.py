"""Hairs: lines that begin on the skin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

STEPS = 9
"""Points of a strand."""


@dataclass(frozen=True)
class Strands:
    """points: (S, STEPS, 3) float32, from the root to the tip, on the person's neutral face. triangle: (S,) int64, the
    head's triangle that a root is on, and weights: (S, 3) float32, where there. width: (S,) float32, in eye distances.
    shade: (S, STEPS) float32, what the colour is multiplied by. colour: (S, 3) float32, linear RGB."""

    points: np.ndarray
    triangle: np.ndarray
    weights: np.ndarray
    width: np.ndarray
    shade: np.ndarray
    colour: np.ndarray


@dataclass(frozen=True)
class Roots:
    """Where strands begin. triangle: (S,), weights: (S, 3). at, normals: (S, 3), on the person's face and out of it.
    place: (S, 3), on the mean head."""

    triangle: np.ndarray
    weights: np.ndarray
    at: np.ndarray
    normals: np.ndarray
    place: np.ndarray


@dataclass(frozen=True)
class Face:
    """What hair grows on. mean, neutral: (V, 3), the mean head and the person's. triangles: (F, 3), all of the head's.
    skin: (F,) bool. lips: (V,), 0 to 1."""

    mean: np.ndarray
    neutral: np.ndarray
    triangles: np.ndarray
    skin: np.ndarray
    lips: np.ndarray


def roots(face: Face, grows, count: int, draw: np.random.Generator) -> Roots:
    """About `count` roots where hair grows.

    grows: a function from places on the mean head (.., 3) to how much hair there is, (..) from 0 to 1.
    """
    corners = face.mean[face.triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chance = area * face.skin * grows(corners.mean(axis=1)) * (face.lips[face.triangles].max(axis=1) < 0.5)
    triangle = draw.choice(len(face.triangles), count, p=chance / chance.sum())
    weights = draw.dirichlet([1.0] * 3, count)
    place = (weights[..., None] * corners[triangle]).sum(axis=1)
    keep = draw.random(count) < grows(place)
    triangle, weights, place = triangle[keep], weights[keep], place[keep]
    own = face.neutral[face.triangles[triangle]]
    normals = np.cross(own[:, 1] - own[:, 0], own[:, 2] - own[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    return Roots(triangle, weights, (weights[..., None] * own).sum(axis=1), normals, place)


def joined(strands: Sequence[Strands]) -> Strands | None:
    """All of them as one; None for none."""
    if not strands:
        return None
    return Strands(*(np.concatenate([getattr(s, f.name) for s in strands]) for f in fields(Strands)))
