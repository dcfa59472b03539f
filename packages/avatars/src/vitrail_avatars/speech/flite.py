"""Speech by flite, the program (Debian package `flite`); it prints where each phone ends.

Flite is called as a process and never linked.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vitrail.errors import BrokenError, NotInstalledError
from vitrail.results import Audio
from vitrail_avatars.speech.phones import PAUSE, RATE, Phone, Spoken, from_flite
from vitrail_avatars.speech.text import stretches

INSTALL = "apt-get install flite"
_PATIENCE = 120  # seconds for one stretch of text, which takes less than one

# The voices smooth their pitch, each to another degree: what has to be asked for to hear a spread of 1.
_SPREAD = {"slt": 2.5, "awb": 1.8}


def available() -> bool:
    """Is the program on this machine?"""
    return shutil.which("flite") is not None


def speak(text: str, voice: str, *, pitch: float, spread: float, stretch: float) -> Spoken:
    """`text`, which `text.clean` has made plain, by one of flite's voices of 16 kHz.

    pitch: mean fundamental frequency in hertz; spread: its standard deviation as a part of the mean;
    stretch: how much longer than usual. NotInstalledError without the program or the voice.
    """
    if not available():
        raise NotInstalledError(f"flite is not on this machine: {INSTALL}")
    if voice not in _voices():
        raise NotInstalledError(f"this flite has no voice {voice}, only {' '.join(_voices())}: {INSTALL}")
    options = {
        "duration_stretch": stretch,
        "int_f0_target_mean": pitch,
        "int_f0_target_stddev": pitch * spread * _SPREAD.get(voice, 1.0),
    }
    settings = [part for name, value in options.items() for part in ("--setf", f"{name}={value:.4f}")]
    samples, phones, before = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        for part in stretches(text):
            printed = _run(["flite", "-voice", voice, *settings, "-psdur", "-t", part, "-o", str(wav)])
            sound = Audio.open(wav)
            if sound.rate != RATE:
                raise BrokenError(
                    f"flite's voice {voice} speaks at {sound.rate} Hz; wanted is one of {RATE} Hz."
                )
            phones += _phones(printed.split(), before / RATE, len(sound.samples) / RATE)
            samples.append(sound.samples)
            before += len(sound.samples)
    return Spoken(samples=np.concatenate(samples), phones=tuple(phones))


def _phones(ends: Sequence[str], offset: float, seconds: float) -> list[Phone]:
    """Phones from "symbol:end" in seconds.

    What is announced beyond the end of the sound is cut: the diphone voices say half of the last pause.
    """
    found = []
    start = 0.0
    for item in ends:
        symbol, _, end = item.partition(":")
        try:
            stop = min(float(end), seconds)
        except ValueError as error:
            raise BrokenError(f"flite printed {item!r}; wanted is a phone and its end: -psdur.") from error
        if stop > start:
            found.append(Phone(from_flite(symbol), offset + start, offset + stop))
            start = stop
    if start < seconds:
        if found and found[-1].symbol == PAUSE:
            start = found.pop().start - offset
        found.append(Phone(PAUSE, offset + start, offset + seconds))
    return found


@functools.lru_cache(maxsize=1)
def _voices() -> tuple[str, ...]:
    # an unknown voice would be spoken by another one, without a word
    return tuple(_run(["flite", "-lv"]).partition(":")[2].split())


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BrokenError(f"flite does not work ({error}). Install it anew: {INSTALL}") from error
    return done.stdout
