"""What a speaker's eyes and head do: blinks, glances, nods. None of it can be heard except the stress in nods."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail_avatars.arkit import ARKIT, places
from vitrail_avatars.speech.coarticulation import FPS, frame_times
from vitrail_avatars.speech.emotion import smooth_noise

BLINKS = 17.0
"""Blinks a minute."""

POSES = ("natural", "still")

_SHORTEST_GAP = 0.8  # seconds from one blink to the next, at least
_CLOSING, _SHUT, _REOPENING = 0.08, 0.04, 0.18  # seconds
_GLANCE_SECONDS = 1.4  # mean time that a gaze is held
_GLANCE_SIDE, _GLANCE_HEIGHT = 0.16, 0.08  # standard deviations, of the full movement of the eyes
_WIDEST_GLANCE = 0.5

# Standard deviations: rotations about x, y and z in radians, shifts along them in distances between the eyes.
_SWAY = np.array((0.030, 0.045, 0.022, 0.020, 0.015, 0.020))
_SWAY_SECONDS = 0.45  # standard deviation of the kernel that smooths the noise
_NOD = 0.035  # radians for speech of twice the usual loudness
_NOD_SECONDS = 0.12


def blinks(
    count: int, *, fps: int = FPS, draw: np.random.Generator, rate: float = BLINKS
) -> NDArray[np.float32]:
    """How far the lids are shut, (count,) float32, 0 to 1; rate: blinks a minute.

    The lids close quicker than they open. Every blink has one frame at least at which they are shut.
    """
    if not 0 <= rate <= 60:
        raise UsageError(f"{rate} blinks a minute are asked for; wanted are 0 to 60.")
    shut = np.zeros(count, np.float32)
    if rate == 0:
        return shut
    times = frame_times(count, fps)
    mean = 60 / rate
    moment = draw.exponential(mean) - _SHUT
    while moment < count / fps + 1:
        middle = math.floor(moment * fps) / fps + 0.5 / fps
        before = 1 - np.clip((middle - _SHUT / 2 - times) / _CLOSING, 0, 1)
        after = 1 - np.clip((times - middle - _SHUT / 2) / _REOPENING, 0, 1)
        part = np.minimum(before, after)
        shut = np.maximum(shut, (part * part * (3 - 2 * part)).astype(np.float32))
        moment += min(_SHORTEST_GAP, mean / 2) + draw.exponential(mean - min(_SHORTEST_GAP, mean / 2))
    return shut


def eyes(
    count: int, *, fps: int = FPS, draw: np.random.Generator, rate: float = BLINKS
) -> NDArray[np.float32]:
    """The eye units of blinks and glances, (count, 52) float32. Glances jump within a frame and are held."""
    rows = np.zeros((count, len(ARKIT)), np.float32)
    shut = blinks(count, fps=fps, draw=draw, rate=rate)
    rows[:, places("eyeBlink")] = shut[:, None]
    at = 0
    while at < count:
        held = max(1, round(fps * (0.2 + draw.exponential(_GLANCE_SECONDS - 0.2))))
        side, height = np.clip(
            draw.normal(0, (_GLANCE_SIDE, _GLANCE_HEIGHT)), -_WIDEST_GLANCE, _WIDEST_GLANCE
        )
        outward, inward = ("eyeLookOutLeft", "eyeLookInRight"), ("eyeLookInLeft", "eyeLookOutRight")
        for name in outward if side > 0 else inward:  # above 0: to the person's left
            rows[at : at + held, places(name)] = abs(side)
        rows[at : at + held, places("eyeLookUp" if height > 0 else "eyeLookDown")] = abs(height)
        at += held
    return rows


def head_pose(
    loudness: NDArray[np.float32], *, fps: int = FPS, draw: np.random.Generator, pose: str = "natural"
) -> NDArray[np.float32]:
    """How the head is turned and shifted, (T, 6) float32.

    Columns 0 to 2: rotations in radians about x (the person's left), y (up) and z (out of the face),
    right-handed: above 0 the head nods down, turns to the person's left and leans to the person's right.
    Columns 3 to 5: shifts along x, y and z in distances between the eyes.

    loudness: (T,) root mean square of each frame; louder speech nods. pose: "natural", or "still" for zeros.
    """
    if pose not in POSES:
        raise UsageError(f"the pose is {pose!r}; wanted is one of {', '.join(POSES)}.")
    count = len(loudness)
    if pose == "still":
        return np.zeros((count, 6), np.float32)
    sway = np.stack([smooth_noise(count, _SWAY_SECONDS * fps, draw) for _ in _SWAY], axis=1) * _SWAY
    usual = float(np.sqrt(np.mean(np.square(loudness, dtype=np.float64)))) or 1.0
    width = _NOD_SECONDS * fps
    reach = math.ceil(4 * width)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    stress = np.convolve(np.pad(loudness / usual, reach), kernel / kernel.sum(), "valid")
    sway[:, 0] += _NOD * (stress - stress.mean())
    return sway.astype(np.float32)
