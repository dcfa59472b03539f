"""Make-up: on lips, lids and cheeks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitrail_avatars.appearance.lids import above, below, beside_eye
from vitrail_avatars.appearance.noise import smoothstep


@dataclass(frozen=True)
class MakeUp:
    """lips, lids, liner, cheeks: how much there is of it, 0 to 1. lip_colour, lid_colour: linear RGB."""

    lips: float
    lids: float
    liner: float
    cheeks: float
    lip_colour: tuple[float, float, float]
    lid_colour: tuple[float, float, float]


NO_MAKE_UP = MakeUp(0, 0, 0, 0, (0, 0, 0), (0, 0, 0))


def make_up(colour: np.ndarray, place: np.ndarray, lips: np.ndarray, worn: MakeUp) -> np.ndarray:
    """Linear RGB (S, S, 3) of the skin with it. lips: (S, S), 0 to 1, where they are."""
    if not (worn.lips or worn.lids or worn.liner or worn.cheeks):
        return colour
    side, y = np.abs(place[..., 0]), place[..., 1]
    up, near = above(place), beside_eye(place)
    rouge = np.exp(-(((side - 0.68) / 0.22) ** 2 + ((y + 0.55) / 0.16) ** 2)) * (place[..., 2] > -0.1)
    lid = near * smoothstep(-0.02, 0.01, up) * smoothstep(0.17, 0.05, up)
    wing = smoothstep(0.45, 0.65, side)
    upper = np.exp(-(((up - 0.012) / (0.014 + 0.008 * wing)) ** 2))
    line = near * (upper + 0.5 * np.exp(-((below(place) / 0.012) ** 2)))
    for cover, top in (
        (0.35 * worn.cheeks * rouge, colour * np.array([1.0, 0.55, 0.6])),
        (0.65 * worn.lids * lid, np.array(worn.lid_colour)),
        (0.9 * worn.liner * np.clip(line, 0, 1), np.array([0.012, 0.01, 0.01])),
        (0.85 * worn.lips * smoothstep(0.25, 0.6, lips), np.array(worn.lip_colour)),
    ):
        colour = colour * (1 - cover[..., None]) + top * cover[..., None]
    return colour
