"""Eight emotions at three levels: what they do with the face and with the voice.

The faces are combinations of action units of the Facial Action Coding System (Ekman and Friesen), written in
ARKit's names: AU1 browInnerUp, AU2 browOuterUp, AU4 browDown, AU5 eyeWide, AU6 cheekSquint, AU7 eyeSquint,
AU9 noseSneer, AU10 mouthUpperUp, AU12 mouthSmile, AU14 mouthDimple, AU15 mouthFrown, AU17 mouthShrugLower,
AU20 mouthStretch, AU24 mouthPress, AU26 jawOpen. The voices of happiness, sadness, anger and fear follow the
directions that Scherer (Speech Communication 40, 2003) reports: pitch, its range, loudness and pace are up in
the first, third and fourth and down in sadness. Those of the other three, and all sizes, are ours.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail_avatars.arkit import ARKIT, units
from vitrail_avatars.speech.coarticulation import frame_times
from vitrail_avatars.speech.synthesis import Manner

EMOTIONS = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprised", "contempt")
LEVELS = (1, 2, 3)

_STRENGTH = {1: 0.4, 2: 0.7, 3: 1.0}
_ONSET, _OFFSET = 0.4, 0.5  # seconds
_AT_FIRST, _AT_LAST = 0.4, 0.7  # of the full expression
_DRIFT = 0.12  # standard deviation of the slow variation
_DRIFT_SECONDS = 0.5  # standard deviation of the kernel that smooths it

# fmt: off
_FACES: dict[str, NDArray[np.float32]] = {
    "neutral": units(),
    "happy": units(
        cheekSquint=0.60, eyeSquint=0.35, mouthSmile=0.70, mouthDimple=0.15, mouthUpperUp=0.12, browOuterUp=0.10,
    ),
    "sad": units(
        browInnerUp=0.80, browDown=0.20, eyeBlink=0.22, cheekSquint=0.12, mouthFrown=0.60, mouthShrugLower=0.35,
    ),
    "angry": units(
        browDown=0.90, eyeWide=0.30, eyeSquint=0.50, noseSneer=0.35,
        mouthPress=0.30, mouthFrown=0.25, mouthLowerDown=0.15, jawForward=0.15,
    ),
    "fear": units(
        browInnerUp=0.90, browOuterUp=0.45, browDown=0.30, eyeWide=0.85,
        mouthStretch=0.55, mouthLowerDown=0.15, jawOpen=0.10,
    ),
    "disgust": units(
        noseSneer=0.90, browDown=0.50, eyeSquint=0.40, cheekSquint=0.30,
        mouthUpperUp=0.45, mouthFrown=0.35, mouthShrugLower=0.20,
    ),
    "surprised": units(
        browInnerUp=0.90, browOuterUp=0.90, eyeWide=0.90, jawOpen=0.20, mouthFunnel=0.08,
    ),
    # of one side of the face; the other side's is its mirror image
    "contempt": units(
        mouthDimpleLeft=0.60, mouthSmileLeft=0.40, mouthLeft=0.15, mouthPressLeft=0.25, noseSneerLeft=0.15,
        eyeSquintLeft=0.30, eyeSquintRight=0.15, browOuterUpRight=0.30,
    ),
}
# fmt: on

_MANNERS: dict[str, Manner] = {
    "neutral": Manner(),
    "happy": Manner(pitch=1.22, spread=1.50, rate=1.08, volume=1.40, articulation=1.10),
    "sad": Manner(pitch=0.86, spread=0.50, rate=0.82, volume=0.55, articulation=0.80),
    "angry": Manner(pitch=1.15, spread=1.40, rate=1.10, volume=2.00, articulation=1.20),
    "fear": Manner(pitch=1.35, spread=1.15, rate=1.18, volume=1.15, articulation=0.95),
    "disgust": Manner(pitch=0.93, spread=0.80, rate=0.90, volume=0.90, articulation=1.00),
    "surprised": Manner(pitch=1.28, spread=1.70, rate=0.98, volume=1.40, articulation=1.15),
    "contempt": Manner(pitch=0.95, spread=0.60, rate=0.90, volume=0.75, articulation=0.90),
}

_SIDES = {"Left": "Right", "Right": "Left"}
_MIRROR = [ARKIT.index(re.sub("Left$|Right$", lambda side: _SIDES[side.group()], name)) for name in ARKIT]


def manner(emotion: str, level: int) -> Manner:
    """How the voice sounds. emotion: of `EMOTIONS`; level: 1, 2 or 3. UsageError for others."""
    strength = _strength(emotion, level)
    full = _MANNERS[emotion]
    return Manner(**{name: value**strength for name, value in vars(full).items()})


def face(emotion: str, level: int, *, mirrored: bool = False) -> NDArray[np.float32]:
    """The expression when it is fully there, (52,) float32. mirrored: with left and right exchanged."""
    strength = _strength(emotion, level)
    row = _FACES[emotion] * np.float32(strength)
    return row[_MIRROR] if mirrored else row


def expression(
    emotion: str, level: int, count: int, *, fps: int, draw: np.random.Generator
) -> NDArray[np.float32]:
    """The expression in time, (count, 52) float32: it grows, varies slowly, and fades a little at the end."""
    row = face(emotion, level, mirrored=bool(draw.integers(2)))
    times = frame_times(count, fps)
    begun = _rise(times / _ONSET)
    ended = _rise((count / fps - times) / _OFFSET)
    envelope = (_AT_FIRST + (1 - _AT_FIRST) * begun) * (_AT_LAST + (1 - _AT_LAST) * ended)
    drift = 1 + _DRIFT * smooth_noise(count, _DRIFT_SECONDS * fps, draw)
    return (np.clip(envelope * drift, 0, 1.15)[:, None] * row).astype(np.float32)


def smooth_noise(count: int, width: float, draw: np.random.Generator) -> NDArray[np.float64]:
    """Normal noise smoothed by a Gaussian of `width` frames, of variance 1 again, (count,)."""
    reach = int(4 * width)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    return np.convolve(draw.standard_normal(count + 2 * reach), kernel / np.linalg.norm(kernel), "valid")


def _rise(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 0 to 1 by a raised cosine while `part` goes from 0 to 1."""
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(part, 0, 1))


def _strength(emotion: str, level: int) -> float:
    if emotion not in EMOTIONS:
        raise UsageError(f"the emotion is {emotion!r}; wanted is one of {', '.join(EMOTIONS)}.")
    if level not in _STRENGTH:
        raise UsageError(f"the level of the emotion is {level!r}; wanted is 1, 2 or 3.")
    return _STRENGTH[level]
