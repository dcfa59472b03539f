"""Sensor values of any type to the 0 to 255 that screens, and models of photographs, take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

STRETCH_PERCENT = (2, 98)


def stretch(pixels: NDArray[Any], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(..., bands) of any type -> uint8, `low` to 0 and `high` to 255 for each band; nan becomes 0."""
    span = np.where(high > low, high - low, 1.0)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = (pixels.astype(np.float32) - low.astype(np.float32)) * (255.0 / span).astype(np.float32)
    return np.rint(np.clip(np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0), 0, 255)).astype(np.uint8)


def percentiles(
    pixels: NDArray[Any], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 2nd and 98th percentile of the valid pixels of each band, (bands,) each; 0 and 1 where none is valid."""
    known = pixels[valid].astype(np.float64)
    if not len(known):
        return np.zeros(pixels.shape[2]), np.ones(pixels.shape[2])
    low, high = np.percentile(known, STRETCH_PERCENT, axis=0)
    return low, high
