"""Light: an environment as nine spherical harmonics, and one lamp that casts shadows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Light:
    """environment: (9, 3), what arrives at a surface from all around, by its normal (`irradiance`). key: the direction
    to the lamp, of length 1. colour: its linear RGB. softness: of its shadow's edge, in eye distances."""

    environment: np.ndarray
    key: np.ndarray
    colour: np.ndarray
    softness: float = 0.12


def basis(normals: np.ndarray) -> np.ndarray:
    """The nine real spherical harmonics up to degree 2, (.., 3) -> (.., 9)."""
    x, y, z = np.moveaxis(normals, -1, 0)
    return np.stack(
        [
            np.full_like(x, 0.282095),
            0.488603 * y, 0.488603 * z, 0.488603 * x,
            1.092548 * x * y, 1.092548 * y * z, 0.315392 * (3 * z * z - 1), 1.092548 * x * z,
            0.546274 * (x * x - y * y),
        ],
        axis=-1,
    )  # fmt: skip


_COSINE = np.array([1, 2 / 3, 2 / 3, 2 / 3, 1 / 4, 1 / 4, 1 / 4, 1 / 4, 1 / 4]) * np.pi
"""How the cosine law smooths each harmonic (Ramamoorthi and Hanrahan, SIGGRAPH 2001)."""


def environment_of(directions: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Distant lamps (n, 3) of colours (n, 3) -> what they give as an environment, (9, 3); 1 straight before a lamp."""
    return (basis(directions) * _COSINE).T @ colours


def irradiance(normals: np.ndarray, environment: np.ndarray) -> np.ndarray:
    """Light on surfaces with these normals: (.., 3) -> (.., 3)."""
    return np.maximum(basis(normals) @ environment, 0)


def random_light(rng: np.random.Generator) -> Light:
    """A room or the open air: light from all around, and one lamp, window or sun."""
    warm = rng.normal(0, 0.5)
    tint = np.array([1 + 0.12 * warm, 1.0, 1 - 0.14 * warm])
    azimuth, height = rng.normal(0, 0.8), rng.uniform(0.05, 0.9)
    key = np.array([np.sin(azimuth) * np.cos(height), np.sin(height), np.cos(azimuth) * np.cos(height)])
    strength = rng.uniform(0.25, 1.0)
    around = rng.standard_normal((5, 3))
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    colours = rng.uniform(0.016, 0.11, (5, 1)) * (1 + 0.12 * rng.standard_normal((5, 3)))
    environment = environment_of(around, colours)
    environment[0] += rng.uniform(0.5, 1.1) / 0.282095 * (2 - tint) * 0.5
    return Light(environment, key, strength * tint, softness=rng.uniform(0.05, 0.25))
