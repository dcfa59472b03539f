"""Phones with times become 52 curves.

Coarticulation is the dominance model of Cohen and Massaro, Modeling Coarticulation in Synthetic Visual Speech
(1993): an articulator is at the mean of all phones' targets, weighted by dominances that rise before a phone
and fall after it. Here they are raised cosines. The mean alone would leave the lips apart at a quick p, b or
m; the closure is therefore imposed after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError
from vitrail_avatars.arkit import ARKIT, places
from vitrail_avatars.speech.phones import BILABIALS, LABIODENTALS, RATE, Phone
from vitrail_avatars.speech.visemes import ARTICULATORS, GLIDES, VISEMES, Viseme

FPS = 25

_LOOK_AHEAD = {"jaw": 0.10, "rounding": 0.12, "spreading": 0.10, "lips": 0.09, "tongue": 0.08}
_CARRY_OVER = {"jaw": 0.09, "rounding": 0.10, "spreading": 0.09, "lips": 0.08, "tongue": 0.07}
# Dominance of the face at rest, which has every target at 0. The more of it, the slower what is let go of fades.
_REST = {"jaw": 0.04, "rounding": 0.12, "spreading": 0.08, "lips": 0.06, "tongue": 0.04}
_RAMP = (0.03, 0.08)  # seconds in which the lips close and open: at least, at most
_BITE = 0.06  # the lips' opening, at most, in f and v
_BITE_ROLL = 0.35  # mouthRollLower, at least, in f and v

_JAW, _CLOSE = places("jawOpen")[0], places("mouthClose")[0]
_TONGUE, _ROLL = places("tongueOut")[0], places("mouthRollLower")[0]
_PARTING = [place for name in ("mouthLowerDown", "mouthUpperUp", "mouthFunnel") for place in places(name)]
_LOWERING = places("mouthLowerDown")
_SPREADING = [place for name in ("mouthSmile", "mouthStretch", "mouthDimple") for place in places(name)]
_PRESSING = [place for name in ("mouthPress", "mouthRollLower", "mouthRollUpper") for place in places(name)]
_ROUNDING = [places(name)[0] for name in ("mouthFunnel", "mouthPucker")]


def frame_count(seconds: float, fps: int = FPS) -> int:
    """Frames that cover `seconds`, the last one perhaps in part."""
    return math.ceil(round(seconds * fps, 6))


def frame_times(count: int, fps: int = FPS) -> NDArray[np.float64]:
    """The middles of frames 0 to count - 1 in seconds, (count,). A frame shows the face at its middle."""
    return (np.arange(count) + 0.5) / fps


def opening(curves: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far the lips are apart, (T,): the jaw's opening less what closes the lips over it. curves: (T, 52)."""
    return curves[:, _JAW] - curves[:, _CLOSE]


def curves(
    phones: Sequence[Phone],
    *,
    fps: int = FPS,
    duration: float | None = None,
    articulation: float = 1.0,
    expression: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """ARKit's 52 units while `phones` are said: (T, 52) float32 in 0 to 1, in the order of `ARKIT`.

    phones: in order of time. duration: seconds, by default to the end of the last phone; T is
    ceil(duration * fps). Row t shows the face at (t + 0.5) / fps seconds.
    articulation: how much the mouth moves, 1 as usual; closures do not depend on it.
    expression: (T, 52), added to what speech does, before the lips are made to close.

    In the frame nearest to the middle of each p, b and m `opening` is 0, in that of f and v at most 0.06.
    InputError for no phones, for phones out of order and for an expression of another shape.
    """
    if not phones:
        raise InputError("there are no phones; wanted is at least one, if only a pause.")
    if any(b.start < a.end - 1e-6 for a, b in pairwise(phones)):
        raise InputError("the phones overlap or are not in order of time.")
    if fps < 1:
        raise InputError(f"{fps} frames a second cannot be drawn; wanted is 1 or more.")
    count = frame_count(phones[-1].end if duration is None else duration, fps)
    times = frame_times(count, fps)
    found = _coarticulated(phones, times) * articulation
    if expression is not None:
        if expression.shape != found.shape:
            raise InputError(f"the expression has shape {expression.shape}; wanted is {found.shape}.")
        rounded = np.minimum(found[:, _ROUNDING].sum(axis=1, keepdims=True), 1)
        added = expression.astype(np.float64)
        added[:, _SPREADING] *= 1 - 0.6 * rounded  # rounded lips cannot smile as widely
        added[:, _PRESSING] *= 1 - np.minimum(found[:, [_JAW]] / 0.3, 1)  # nor open ones press
        found = found + added
    return _with_contacts(np.clip(found, 0, 1), phones, times, fps).astype(np.float32)


def _coarticulated(phones: Sequence[Phone], times: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.zeros((len(times), len(ARKIT)))
    for articulator, names in ARTICULATORS.items():
        sums = {name: np.zeros(len(times)) for name in names}
        total = np.full(len(times), _REST[articulator])
        for viseme, start, end in _segments(phones):
            middle, half = (start + end) / 2, (end - start) / 2
            before, after = half + _LOOK_AHEAD[articulator], half + _CARRY_OVER[articulator]
            near = slice(*np.searchsorted(times, (middle - before, middle + after)))
            distance = times[near] - middle
            reach = np.where(distance < 0, before, after)
            weight = viseme.dominance[articulator] * np.cos(np.pi / 2 * distance / reach) ** 2
            total[near] += weight
            for name in names:
                sums[name][near] += weight * viseme.targets.get(name, 0.0)
        for name in names:
            found[:, places(name)] = (sums[name] / total)[:, None]
    return found


def _segments(phones: Sequence[Phone]) -> list[tuple[Viseme, float, float]]:
    """Visemes with start and end; a diphthong is two, the first a little longer."""
    found = []
    for phone in phones:
        if phone.symbol in GLIDES:
            first, second = GLIDES[phone.symbol]
            turn = phone.start + 0.55 * phone.duration
            found += [(first, phone.start, turn), (second, turn, phone.end)]
        else:
            found.append((VISEMES[phone.symbol], phone.start, phone.end))
    return found


def _with_contacts(
    found: NDArray[np.float64], phones: Sequence[Phone], times: NDArray[np.float64], fps: int
) -> NDArray[np.float64]:
    closed = _contact(phones, BILABIALS, times, fps)
    bitten = _contact(phones, LABIODENTALS, times, fps)
    parted = 1 - closed
    jaw = found[:, _JAW]
    lips = jaw + bitten * (np.minimum(jaw, _BITE) - jaw)
    found[:, _CLOSE] = jaw - lips * parted
    found[:, _PARTING] *= parted[:, None]
    found[:, _LOWERING] *= (1 - bitten)[:, None]
    found[:, _TONGUE] *= parted * (1 - bitten)
    found[:, _ROLL] = np.maximum(found[:, _ROLL], _BITE_ROLL * bitten)
    return found


def _contact(
    phones: Sequence[Phone], which: Sequence[str], times: NDArray[np.float64], fps: int
) -> NDArray[np.float64]:
    """1 while the lips must touch, 0 while they need not, raised cosines between, (T,)."""
    found = np.zeros(len(times))
    for place, phone in enumerate(phones):
        if phone.symbol not in which:
            continue
        # at least one frame's middle lies within half a frame of the phone's middle
        hold = max(0.5 / fps + 1 / RATE, 0.25 * phone.duration)
        before = phone.middle - phones[place - 1].middle if place else _RAMP[1]
        after = phones[place + 1].middle - phone.middle if place + 1 < len(phones) else _RAMP[1]
        near = slice(
            *np.searchsorted(times, (phone.middle - hold - _RAMP[1], phone.middle + hold + _RAMP[1]))
        )
        distance = times[near] - phone.middle
        ramp = np.clip(np.where(distance < 0, before, after) - hold, *_RAMP)
        beyond = np.clip((np.abs(distance) - hold) / ramp, 0, 1)
        found[near] = np.maximum(found[near], np.cos(np.pi / 2 * beyond) ** 2)
    return found
