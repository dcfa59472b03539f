"""The names of ARKit's 52 face units, in ARKit's order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ARKIT: tuple[str, ...] = (
    *("eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft"),
    "eyeWideLeft",
    *("eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight"),
    *("eyeSquintRight", "eyeWideRight"),
    *("jawForward", "jawLeft", "jawRight", "jawOpen"),
    *(
        "mouthClose",
        "mouthFunnel",
        "mouthPucker",
        "mouthLeft",
        "mouthRight",
        "mouthSmileLeft",
        "mouthSmileRight",
    ),
    *("mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft"),
    *("mouthStretchRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft"),
    "mouthUpperUpRight",
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)

_PLACE = {name: place for place, name in enumerate(ARKIT)}


def places(name: str) -> list[int]:
    """Where a unit is in `ARKIT`; a name without its side, as "mouthSmile", stands for both."""
    if name in _PLACE:
        return [_PLACE[name]]
    return [_PLACE[name + "Left"], _PLACE[name + "Right"]]


def units(**values: float) -> NDArray[np.float32]:
    """(52,) float32 from values by name, 0 elsewhere; a name without its side sets both."""
    row = np.zeros(len(ARKIT), np.float32)
    for name, value in values.items():
        row[places(name)] = value
    return row
