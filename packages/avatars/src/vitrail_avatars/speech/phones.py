"""The 39 phones of American English in ARPAbet, and speech with the times of its phones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import BrokenError, InputError

RATE = 16_000
"""Samples a second of all speech in this package."""

PAUSE = "pau"
VOWELS = ("aa", "ae", "ah", "ao", "aw", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw")
CONSONANTS = (
    *("b", "ch", "d", "dh", "f", "g", "hh", "jh", "k", "l", "m", "n"),
    *("ng", "p", "r", "s", "sh", "t", "th", "v", "w", "y", "z", "zh"),
)
PHONES = (*VOWELS, *CONSONANTS)
BILABIALS = ("b", "m", "p")
LABIODENTALS = ("f", "v")

_SYMBOLS = frozenset((*PHONES, PAUSE))


@dataclass(frozen=True)
class Phone:
    """One sound. symbol: ARPAbet in lower case without stress, or "pau"; start, end: seconds."""

    symbol: str
    start: float
    end: float

    def __post_init__(self) -> None:
        if self.symbol not in _SYMBOLS:
            raise InputError(f"{self.symbol!r} is not a phone; wanted is one of {' '.join(PHONES)} {PAUSE}.")
        if not 0 <= self.start < self.end:
            raise InputError(
                f"the phone {self.symbol} lasts from {self.start} to {self.end} s; wanted are times from 0 on, "
                "the end after the start."
            )

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2

    @property
    def duration(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """Speech. samples: (N,) float32, 16,000 a second, in -1 to 1; phones: in order, without gaps, from 0 on."""

    samples: NDArray[np.float32] = field(repr=False)
    phones: tuple[Phone, ...]

    @property
    def duration(self) -> float:
        """Seconds of sound."""
        return len(self.samples) / RATE


# Flite writes some sounds that the 39 do not tell apart: reduced vowels, the flap, syllabic consonants.
_FLITE = {"ax": "ah", "axr": "er", "ix": "ih", "dx": "d", "el": "l", "em": "m", "en": "n", "ssil": PAUSE}


def from_flite(symbol: str) -> str:
    """The phone that a symbol of flite's American lexicon stands for."""
    phone = _FLITE.get(symbol, symbol)
    if phone not in _SYMBOLS:
        raise BrokenError(f"flite said a phone {symbol!r} that is not known here; is it an English voice?")
    return phone


# A diphthong is longer than its parts and therefore found first.
_VOWELS_IPA = """
    ɑ aa  ɒ aa  a aa  æ ae  ʌ ah  ə ah  ɐ ah  ɵ ah  ɔ ao  o ao  ɛ eh  e eh  ɜ er  ɚ er  ɝ er
    ɪ ih  ᵻ ih  ɨ ih  i iy  ʊ uh  u uw  ʉ uw
    aʊ aw  aɪ ay  eɪ ey  oʊ ow  əʊ ow  ɔɪ oy  eə eh  ɪə ih  ʊə uh  iə iy
"""
_CONSONANTS_IPA = """
    b b  tʃ ch  d d  ð dh  f f  ɡ g  g g  h hh  dʒ jh  k k  l l  ɫ l  m m  n n  ŋ ng  p p  ɹ r  r r  s s  ʃ sh
    t t  θ th  v v  w w  j y  z z  ʒ zh
    ɾ d  ʔ t  ɬ l  x k  ç hh  ɲ n  ʍ w
"""
_PAIRS = (_VOWELS_IPA + _CONSONANTS_IPA).split()
_IPA = dict(zip(_PAIRS[::2], _PAIRS[1::2]))
_MARKS = frozenset("ːˑˈˌ.|‿͡ʰʲʷˠ̩̯̃̊̚-")


def from_ipa(text: str) -> tuple[str, ...]:
    """The phones that a stretch of IPA stands for; length, stress and ties are dropped: "oːɹ" is (ao, r).

    BrokenError for a sound that English does not have.
    """
    plain = "".join(mark for mark in text if mark not in _MARKS)
    found = []
    at = 0
    while at < len(plain):
        length = 2 if plain[at : at + 2] in _IPA else 1
        symbol = plain[at : at + length]
        if symbol not in _IPA:
            raise BrokenError(f"espeak-ng said a sound {symbol!r} in {text!r} that English does not have.")
        found.append(_IPA[symbol])
        at += length
    return tuple(found)
