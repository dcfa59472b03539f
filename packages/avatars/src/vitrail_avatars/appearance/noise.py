"""Random fields in space that are the same wherever and however finely they are looked at."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

CELLS = 24
"""The lattice has so many points a side; beyond it, its mirror image."""


def noise(place: np.ndarray, size: float, seed: int, octaves: int = 1) -> np.ndarray:
    """place: (.., 3) -> (..) float32, about 0 with a standard deviation of about 1.

    size: distance over which it changes, in the units of `place`. Each further octave has half the size and half the
    height.
    """
    total = np.zeros(place.shape[:-1], np.float32)
    for octave in range(octaves):
        total += 0.5**octave * _one(place, size * 0.5**octave, seed + 7919 * octave)
    return total / np.sqrt(sum(0.25**octave for octave in range(octaves)), dtype=np.float32)


def _one(place: np.ndarray, size: float, seed: int) -> np.ndarray:
    lattice = np.random.default_rng(seed).standard_normal((1, 1, CELLS, CELLS, CELLS), dtype=np.float32)
    at = torch.from_numpy(np.ascontiguousarray(place, np.float32)).reshape(1, 1, 1, -1, 3)
    at = at * (2 / (size * (CELLS - 1)))
    found = F.grid_sample(
        torch.from_numpy(lattice), at, mode="bilinear", padding_mode="reflection", align_corners=True
    )
    # Between lattice points the mean of neighbours varies less than they do.
    return 1.5 * found.reshape(place.shape[:-1]).numpy()


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high` (or the other way round, where `low` is the greater), smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
