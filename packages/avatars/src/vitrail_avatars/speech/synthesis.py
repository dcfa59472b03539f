"""Text spoken by a voice of the catalogue, in a manner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import BrokenError, InputError, UsageError
from vitrail_avatars.speech import espeak, flite
from vitrail_avatars.speech.phones import PAUSE, RATE, Phone, Spoken
from vitrail_avatars.speech.resample import resample
from vitrail_avatars.speech.text import clean
from vitrail_avatars.speech.voices import Voice, get_voice

_LEVEL = 0.06  # root mean square of neutral speech, pauses left out
_LEAD = 0.12  # least seconds of silence before and after

# Mean fundamental frequency of espeak-ng's variants at their own settings, hertz, measured.
_ESPEAK_PITCH = dict(
    zip(
        ("f1", "f2", "f3", "f4", "f5", "linda", "m1", "m2", "m3", "m4", "m6", "m7"),
        (177.3, 192.4, 206.6, 177.7, 202.3, 228.4, 92.6, 100.1, 103.5, 92.7, 100.0, 104.7),
    )
)


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How something is said, each as a part of what is usual for the speaker.

    pitch: of the mean fundamental frequency; spread: of its variation; rate: of the pace; volume: of the
    amplitude; articulation: of the movements of the mouth.
    """

    pitch: float = 1.0
    spread: float = 1.0
    rate: float = 1.0
    volume: float = 1.0
    articulation: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.2 <= value <= 5:
                raise UsageError(f"the {name} of a manner is {value}; wanted is 0.2 to 5 times the usual.")


def speak(text: str, voice: Voice | str, manner: Manner | None = None) -> Spoken:
    """Speech with the times of its phones.

    text: English in Latin letters and digits, of any length. voice: of the catalogue.

    NotInstalledError where the voice's program is missing (it says what to install), InputError for text
    that cannot be spoken. The same arguments give the same bits.
    """
    voice = get_voice(voice)
    manner = manner or Manner()
    plain = clean(text)
    # Played faster by `tract`, formants, pitch and pace rise together; pitch and pace are then put right.
    percent = round(100 * voice.tract)
    tract = percent / 100
    hertz = voice.pitch * manner.pitch / tract
    stretch = tract / (voice.rate * manner.rate)
    spread = voice.spread * manner.spread
    if voice.engine == "flite":
        spoken = flite.speak(plain, voice.base, pitch=hertz, spread=spread, stretch=stretch)
    else:
        own = _ESPEAK_PITCH.get(voice.base.partition("+")[2])
        if own is None:
            raise UsageError(f"the pitch of {voice.base} is not known; there are {', '.join(_ESPEAK_PITCH)}.")
        spoken = espeak.speak(plain, voice.base, pitch=hertz / own, spread=spread, stretch=stretch)
    if all(phone.symbol == PAUSE for phone in spoken.phones):
        raise InputError(f"nothing of {text[:40]!r} was spoken; wanted are words.")
    samples = resample(spoken.samples, 100, percent)
    phones = tuple(Phone(p.symbol, p.start / tract, p.end / tract) for p in spoken.phones)
    samples, phones = _with_silence(samples, phones)
    return Spoken(samples=_at_level(samples, phones, _LEVEL * manner.volume), phones=phones)


def _with_silence(
    samples: NDArray[np.float32], phones: tuple[Phone, ...]
) -> tuple[NDArray[np.float32], tuple[Phone, ...]]:
    """At least `_LEAD` seconds of pause at both ends."""
    first, last = phones[0], phones[-1]
    before = max(0, round((_LEAD - (first.duration if first.symbol == PAUSE else 0)) * RATE))
    after = max(0, round((_LEAD - (last.duration if last.symbol == PAUSE else 0)) * RATE))
    samples = np.pad(samples, (before, after))
    shift, end = before / RATE, len(samples) / RATE
    moved = [Phone(p.symbol, p.start + shift, p.end + shift) for p in phones]
    inner = moved[first.symbol == PAUSE : len(moved) - (last.symbol == PAUSE)]
    return samples, (
        Phone(PAUSE, 0.0, inner[0].start),
        *inner,
        Phone(PAUSE, inner[-1].end, end),
    )


def _at_level(samples: NDArray[np.float32], phones: tuple[Phone, ...], level: float) -> NDArray[np.float32]:
    said = np.zeros(len(samples), bool)
    for phone in phones:
        said[round(phone.start * RATE) : round(phone.end * RATE)] = phone.symbol != PAUSE
    now = float(np.sqrt(np.mean(np.square(samples[said], dtype=np.float64))))
    if not now > 1e-5:
        raise BrokenError("the engine returned silence; install it anew.")
    gain = min(level / now, 0.99 / float(np.abs(samples).max()))
    return (samples * np.float32(gain)).astype(np.float32)
