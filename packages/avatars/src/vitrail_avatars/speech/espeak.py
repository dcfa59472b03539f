"""Speech by espeak-ng's library (Debian package `libespeak-ng1`); it tells where each sound starts.

The library is called in a process of its own and never linked.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import BrokenError, NotInstalledError
from vitrail_avatars.speech import espeak_process
from vitrail_avatars.speech.phones import PAUSE, RATE, VOWELS, Phone, Spoken, from_ipa
from vitrail_avatars.speech.resample import resample

INSTALL = "apt-get install espeak-ng libespeak-ng1"
_COMMAND = (sys.executable, "-I", "-S", espeak_process.__file__)
_PATIENCE = 600

# Ratio of the mean pitch to that at setting 50, measured at settings 0, 11, ... 99 with the variants f3
# and m3, which agree within 2 %.
_PITCH_RATIOS = (0.683, 0.737, 0.796, 0.874, 0.950, 1.050, 1.164, 1.293, 1.440, 1.614)
_SPREAD_PER_RANGE = 0.0019  # standard deviation of the pitch, as a part of the mean, for one step of range
_STOPS = ("b", "ch", "d", "g", "jh", "k", "p", "t")
_SHORTEST_PAUSE = 0.03


@functools.lru_cache(maxsize=1)
def available() -> bool:
    """Is the library on this machine?"""
    return subprocess.run([*_COMMAND, "check"], stdin=subprocess.DEVNULL, check=False).returncode == 0


def speak(text: str, voice: str, *, pitch: float, spread: float, stretch: float) -> Spoken:
    """`text`, which `text.clean` has made plain, by a voice such as "en-us+f3".

    pitch: mean pitch as a ratio to the voice's own; spread: standard deviation of the pitch as a part of
    the mean; stretch: how much longer than usual. NotInstalledError without the library or the voice.
    """
    span = min(max(round(spread / _SPREAD_PER_RANGE), 0), 100)
    ratio = pitch / (0.87 + 0.0026 * span)  # a wider range lies higher
    setting = np.interp(np.log(ratio), np.log(_PITCH_RATIOS), np.arange(0, 100, 11))
    request = {
        "text": text,
        "voice": voice,
        "pitch": round(float(setting)),
        "range": span,
        "rate": min(max(round(175 / stretch), 80), 450),
    }
    heading, sound = _run(request, voice)
    samples = np.frombuffer(sound, "<i2").astype(np.float32) / np.float32(32768)
    phones = _phones(heading["events"], samples, heading["rate"])
    return Spoken(samples=resample(samples, RATE, heading["rate"]), phones=phones)


def _run(request: dict[str, object], voice: str) -> tuple[dict[str, Any], bytes]:
    try:
        done = subprocess.run(
            _COMMAND, input=json.dumps(request).encode(), capture_output=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BrokenError(f"espeak-ng does not work ({error}). Install it anew: {INSTALL}") from error
    if done.returncode == espeak_process.NO_LIBRARY:
        raise NotInstalledError(f"espeak-ng's library is not on this machine: {INSTALL}")
    if done.returncode == espeak_process.NO_VOICE:
        raise NotInstalledError(f"this espeak-ng has no voice {voice}: {INSTALL}")
    line, _, sound = done.stdout.partition(b"\n")
    if done.returncode != 0 or not sound:
        raise BrokenError(
            f"espeak-ng said nothing (exit status {done.returncode}). Install it anew: {INSTALL}"
        )
    return json.loads(line), sound


def _phones(events: Sequence[tuple[int, str]], samples: NDArray[np.float32], rate: int) -> tuple[Phone, ...]:
    """Phones from the samples at which sounds start."""
    spans: list[tuple[str, float, float]] = []
    starts = [start for start, _ in events] + [len(samples)]
    if starts[0] > 0:
        spans.append((PAUSE, 0.0, starts[0] / rate))
    for (start, ipa), stop in zip(events, starts[1:]):
        if stop <= start:
            continue
        parts = from_ipa(ipa) or (PAUSE,)
        weights = np.cumsum([0] + [2 if part in VOWELS else 1 for part in parts])
        edges = (start + (stop - start) * weights / weights[-1]) / rate
        spans += [(part, float(a), float(b)) for part, a, b in zip(parts, edges, edges[1:])]
    merged: list[tuple[str, float, float]] = []
    for symbol, begin, end in spans:
        before, before_begin, _ = merged[-1] if merged else (PAUSE, begin, begin)
        if symbol in _STOPS and merged:
            begin -= _closure(samples, rate, begin, before_begin, before)
            merged[-1] = (before, before_begin, begin)
        if symbol == PAUSE and merged and (before == PAUSE or end - begin < _SHORTEST_PAUSE):
            merged[-1] = (before, before_begin, end)
        else:
            merged.append((symbol, begin, end))
    return tuple(Phone(symbol, begin, end) for symbol, begin, end in merged if end > begin)


def _closure(samples: NDArray[np.float32], rate: int, burst: float, before: float, symbol: str) -> float:
    """How long, in seconds, the silence is that precedes the burst of a stop.

    Espeak-ng announces a stop at its burst, and counts the silence, in which the mouth is closed, to the
    sound before, which keeps 30 ms.
    """
    room = burst - before - 0.03
    if symbol == PAUSE:
        return min(max(room, 0.0), 0.06)
    step = rate // 200
    count = int(min(room, 0.1) * 200)
    last = round(burst * rate)
    if count <= 0:
        return 0.0
    whole = samples[max(round(before * rate), 0) : last]
    threshold = 0.0625 * np.sqrt(np.mean(np.sort(whole**2)[-len(whole) // 4 :]))
    pieces = samples[last - count * step : last].reshape(count, step)
    loud = np.sqrt((pieces**2).mean(axis=1))[::-1] >= threshold
    loud[0] = False  # the burst may have begun
    silent = int(np.argmax(loud)) if loud.any() else count
    return silent * step / rate if silent > 1 else 0.0
