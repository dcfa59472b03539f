"""Painting a person's skin on the atlas: tone, blood, spots, lips, brows, stubble, a shirt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitrail_avatars.appearance.atlas import Atlas
from vitrail_avatars.appearance.colours import skin
from vitrail_avatars.appearance.noise import noise, smoothstep


@dataclass(frozen=True)
class Skin:
    """melanin, blood: see `colours.skin`. freckles, moles, blemishes: 0 to 1. lips: how red they are, 0 to 1.
    age: years. seed: of all that is random."""

    melanin: float
    blood: float
    freckles: float
    moles: float
    blemishes: float
    lips: float
    age: float
    seed: int


@dataclass(frozen=True)
class Brows:
    """thickness, arch, density. gap: distance of their inner ends; length: of each; height: above the eyes; slope: how
    much higher the outer end is; peak: how far out the arch is highest; taper: how much thinner the outer end is. All 0
    to 1. colour: linear RGB."""

    thickness: float
    arch: float
    density: float
    gap: float
    length: float
    height: float
    slope: float
    peak: float
    taper: float
    colour: tuple[float, float, float]


def paint(atlas: Atlas, person: Skin) -> np.ndarray:
    """Linear RGB of the bare skin, (S, S, 3) float32."""
    place, seed = atlas.place, person.seed
    x, y, z = np.moveaxis(place, -1, 0)
    side = np.abs(x)

    def spot(at: tuple[float, float, float], size: float) -> np.ndarray:
        """1 at a place (on both sides), falling off around it."""
        squared = (side - at[0]) ** 2 + (y - at[1]) ** 2 + (z - at[2]) ** 2
        return np.exp(-squared / (2 * size**2))

    cheek, nose, ear = (
        spot((0.62, -0.55, 0.3), 0.28),
        spot((0, -0.62, 0.7), 0.17),
        spot((1.3, -0.3, -0.7), 0.35),
    )
    chin, socket = spot((0, -1.65, 0.4), 0.2), spot((0.5, -0.17, 0.25), 0.16)
    forehead = smoothstep(0.2, 0.9, y) * smoothstep(0.0, 0.3, z)
    blood = person.blood * (
        0.75 + 0.55 * cheek + 0.6 * nose + 0.5 * ear + 0.25 * chin + 0.2 * socket - 0.25 * forehead
    )
    blood = blood + 0.07 * noise(place, 0.25, seed, 3) + 0.035 * noise(place, 0.03, seed + 1, 2)
    melanin = person.melanin * (
        1 + 0.05 * noise(place, 0.35, seed + 2, 3) + 0.04 * noise(place, 0.025, seed + 3)
    )
    melanin = melanin + 0.06 * socket * (0.4 + person.age / 60) + 0.04 * smoothstep(-1.6, -2.0, y)
    melanin = melanin + person.freckles * 0.22 * _dots(place, 0.028, 1.35, seed + 4) * (
        0.4 + cheek + nose + 0.5 * forehead
    )
    old = smoothstep(45, 85, np.array(person.age))
    melanin = melanin + 0.25 * old * _dots(place, 0.09, 1.9, seed + 5)
    melanin = melanin + 0.5 * person.moles * _dots(place, 0.05, 3.1, seed + 6)
    blood = blood + 0.7 * person.blemishes * _dots(place, 0.06, 2.2, seed + 7)

    lips = atlas.lips * smoothstep(0.15, 0.6, atlas.lips)
    blood = blood + lips * (0.55 + 0.7 * person.lips) + lips * 0.06 * noise(place * (4, 1, 1), 0.04, seed + 8)
    melanin = melanin * (1 - 0.15 * lips) + 0.1 * lips
    inside = spot((0, -1.17, 0.1), 0.25) * (z < 0.42)  # of the mouth
    colour = skin(np.clip(melanin, 0, 1.2), np.clip(blood, 0, 2.5))
    wet = np.array([0.32, 0.07, 0.06], np.float32)
    return (colour * (1 - inside[..., None]) + wet * inside[..., None]).astype(np.float32)


def brow_cover(atlas: Atlas, brows: Brows, seed: int) -> np.ndarray:
    """How much of the skin brow hair hides, (S, S) from 0 to 1."""
    x, y, z = np.moveaxis(atlas.place, -1, 0)
    inner, outer = 0.10 + 0.16 * brows.gap, 0.76 + 0.14 * brows.length
    along = (np.abs(x) - inner) / (outer - inner)  # 0 at the inner end, 1 at the outer one
    on = np.clip(along, 0, 1)
    bent = on ** (0.55 + 0.9 * brows.peak)  # so that sin(pi * bent) has its peak further out
    line = 0.19 + 0.08 * brows.height + (0.03 + 0.11 * brows.arch) * np.sin(np.pi * bent)
    line = line + 0.14 * (brows.slope - 0.6) * on - 0.03 * on**3
    half = (0.03 + 0.055 * brows.thickness) * (1 - (0.35 + 0.4 * brows.taper) * on**1.5)
    across = (y - line) / half
    inside = (
        smoothstep(1.3, 0.6, np.abs(across)) * smoothstep(-0.1, 0.12, along) * smoothstep(1.05, 0.8, along)
    )
    inside = inside * (z > -0.2)
    # Hairs lie along the brow, more upright at its inner end.
    slant = (y - line) * (1.2 - on) * 1.2
    hairs = noise(np.stack([np.abs(x) - slant, across * half * 0.25, np.sign(x)], axis=-1), 0.012, seed)
    thin = 0.45 + 0.75 * brows.density
    return np.clip(inside * (thin + 0.3 * hairs) * (0.5 + 0.5 * brows.density), 0, 1)


def _dots(place: np.ndarray, size: float, rare: float, seed: int) -> np.ndarray:
    """Spots where a random field is high: rarer and smaller for a higher `rare`. 0 to 1."""
    return smoothstep(rare, rare + 0.5, noise(place, size, seed))
