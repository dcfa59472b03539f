"""Thirty-two speakers: flite's and espeak-ng's voices, varied in pitch, pace and length of the vocal tract.

Gender and age are what a speaker is meant to be; that listeners would agree is not known. The pitch follows
what is known of speakers: children's is above women's, women's above men's, and old women's below young ones'.
That old men's is below young ones' holds in this catalogue more than among people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from vitrail.errors import UsageError
from vitrail_avatars.seeds import stream

GENDERS = ("female", "male")
AGES = ("child", "young", "middle", "old")


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A speaker.

    engine, base: the program and its voice, from which this one is made.
    pitch: mean fundamental frequency in hertz when neutral. spread: its standard deviation as a part of the
    mean, as asked of the engine; what is heard follows it, in each engine to another degree.
    rate: pace as a part of the engine's own.
    tract: the formants as a part of the base's; a child's vocal tract is shorter, its formants are higher.
    held_out: kept for tests; no voice of the same base is used for training.
    """

    name: str
    engine: Literal["flite", "espeak"]
    base: str
    gender: Literal["female", "male"]
    age: Literal["child", "young", "middle", "old"]
    pitch: float
    spread: float
    rate: float
    tract: float
    held_out: bool = False


# Left out: flite's kal, which is kal16 at 8 kHz, and its rms, which ignores the settings of the pitch.
_HELD_OUT = ("awb", "en-us+f5", "en-us+m6", "en-us+linda")
_PACE = {"child": 0.94, "young": 1.08, "middle": 1.0, "old": 0.86}
_TABLE = """
ivy    flite  slt         female child  288 0.12 1.22
mia    espeak en-us+f3    female child  276 0.11 1.14
zoe    espeak en-us+f1    female child  300 0.13 1.20
nell   espeak en-us+f5    female child  283 0.11 1.15
tom    flite  slt         male   child  262 0.11 1.15
sam    espeak en-us+f2    male   child  252 0.12 1.10
leo    flite  kal16       male   child  266 0.13 1.34
max    flite  awb         male   child  258 0.12 1.34
anna   flite  slt         female young  218 0.10 1.04
ruth   espeak en-us+f2    female young  211 0.12 1.00
jane   espeak en-us+f4    female young  222 0.09 1.05
tess   espeak en-us+f5    female young  215 0.11 1.00
clara  flite  slt         female middle 197 0.09 0.98
nora   espeak en-us+f3    female middle 192 0.10 0.97
vera   espeak en-us+f1    female middle 202 0.12 1.00
ines   flite  awb         female middle 196 0.11 1.17
edith  flite  slt         female old    176 0.08 0.93
greta  espeak en-us+f4    female old    170 0.10 0.95
olga   espeak en-us+f2    female old    181 0.09 0.93
maud   espeak en-us+linda female old    175 0.09 0.94
alan   flite  kal16       male   young  130 0.12 1.06
ben    espeak en-us+m3    male   young  125 0.10 1.03
carl   espeak en-us+m1    male   young  134 0.11 1.05
dan    flite  awb         male   young  128 0.12 1.03
eric   flite  kal16       male   middle 112 0.11 0.99
fred   espeak en-us+m7    male   middle 108 0.10 1.00
gus    espeak en-us+m2    male   middle 116 0.09 1.00
hal    espeak en-us+m6    male   middle 112 0.10 1.00
ivan   flite  kal16       male   old    97  0.10 0.93
jack   espeak en-us+m4    male   old    94  0.11 0.96
karl   espeak en-us+m3    male   old    101 0.08 0.93
lars   flite  awb         male   old    98  0.10 0.95
"""


def _voice(line: str) -> Voice:
    name, engine, base, gender, age, pitch, spread, tract = line.split()
    return Voice(
        name=name,
        engine=engine,  # type: ignore[arg-type]
        base=base,
        gender=gender,  # type: ignore[arg-type]
        age=age,  # type: ignore[arg-type]
        pitch=float(pitch),
        spread=float(spread),
        rate=round(_PACE[age] * (1 + 0.03 * math.cos(float(pitch))), 3),  # not all of one age keep one pace
        tract=float(tract),
        held_out=base in _HELD_OUT,
    )


VOICES: dict[str, Voice] = {voice.name: voice for voice in map(_voice, _TABLE.strip().splitlines())}


def get_voice(voice: Voice | str) -> Voice:
    """A voice by its name; UsageError names those that there are."""
    if isinstance(voice, Voice):
        return voice
    if voice not in VOICES:
        raise UsageError(f"there is no voice {voice!r}; there are {', '.join(VOICES)}.")
    return VOICES[voice]


def voices(
    *, gender: str | None = None, age: str | None = None, held_out: bool | None = False
) -> tuple[Voice, ...]:
    """The speakers of a gender and an age, where these are given.

    held_out: False for the speakers to train with, True for those kept for tests, None for all.
    """
    for name, value, known in (("gender", gender, GENDERS), ("age", age, AGES)):
        if value is not None and value not in known:
            raise UsageError(f"the {name} is {value!r}; wanted is one of {', '.join(known)}.")
    return tuple(
        voice
        for voice in VOICES.values()
        if gender in (None, voice.gender) and age in (None, voice.age) and held_out in (None, voice.held_out)
    )


def choose_voice(
    gender: str | None = None, age: str | None = None, *, seed: int = 0, held_out: bool | None = False
) -> Voice:
    """One of `voices(...)`, the same for the same arguments."""
    found = voices(gender=gender, age=age, held_out=held_out)
    return found[stream(seed, 0, "voice").integers(len(found))]
