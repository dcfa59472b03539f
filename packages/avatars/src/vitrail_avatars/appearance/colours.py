"""Colours: linear light inside, sRGB outside."""

from __future__ import annotations

import numpy as np

PALE = np.array([0.87, 0.66, 0.54], np.float32)
"""Skin with hardly any melanin, linear."""

MELANIN = np.array([2.35, 3.05, 3.45], np.float32)
BLOOD = np.array([0.06, 0.62, 0.52], np.float32)
"""What the logarithm of each colour loses with all of the melanin, and with much blood. Fitted by eye to portraits."""

HAIR_PALE = np.array([0.62, 0.48, 0.30], np.float32)
EUMELANIN = np.array([3.2, 3.8, 4.0], np.float32)
PHEOMELANIN = np.array([0.25, 1.15, 2.1], np.float32)


def skin(melanin: np.ndarray | float, blood: np.ndarray | float) -> np.ndarray:
    """Linear RGB (.., 3). melanin: 0 (palest) to 1 (darkest); blood: about 0 to 1."""
    depth = np.asarray(melanin)[..., None] * MELANIN + np.asarray(blood)[..., None] * BLOOD
    return (PALE * np.exp(-depth)).astype(np.float32)


def hair(dark: float, red: float, grey: float) -> np.ndarray:
    """Linear RGB (3,). dark: 0 (blond) to 1 (black); red and grey: 0 to 1."""
    own = HAIR_PALE * np.exp(-dark * EUMELANIN - red * PHEOMELANIN)
    return ((1 - grey) * own + grey * np.array([0.52, 0.52, 0.54])).astype(np.float32)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear RGB -> sRGB, both 0 to 1; what is beyond is cut off."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def from_srgb(colour: np.ndarray) -> np.ndarray:
    """sRGB -> linear RGB, both 0 to 1."""
    colour = np.asarray(colour)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
