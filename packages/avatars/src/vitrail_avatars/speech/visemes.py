"""What each phone does with mouth, jaw and tongue, and how much it insists.

A phone sets targets for five articulators, each with a dominance between 0 and 1: how little of the target
is given up to the neighbours. The reasons are those of articulatory phonetics:

- Vowels: the lower the tongue, the lower the jaw (iy, ih, eh, ae, aa). Front vowels spread the lips, back
  ones (uw, uh, ow, ao) round them. Diphthongs move from one vowel to another.
- p b m: the lips touch; jaw and rounding follow the neighbours. `curves` forces the closure.
- f v: the lower lip lies against the upper teeth, the upper lip is raised a little.
- th dh: the tip of the tongue shows between the teeth. t d n l: it is behind the upper teeth, hardly seen.
- s z, and sh zh ch jh: the teeth come close together, so the jaw insists; the second four push the lips out.
- w: the lips are rounded most. r: rounded less.
- k g ng hh and y: made by the back of the tongue or the throat; the lips are free and take the neighbours' shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vitrail_avatars.speech.phones import PAUSE

ARTICULATORS: dict[str, tuple[str, ...]] = {
    "jaw": ("jawOpen", "jawForward"),
    "rounding": ("mouthFunnel", "mouthPucker"),
    "spreading": ("mouthStretch", "mouthSmile"),
    "lips": (
        "mouthLowerDown",
        "mouthUpperUp",
        "mouthRollLower",
        "mouthRollUpper",
        "mouthPress",
        "mouthShrugUpper",
    ),
    "tongue": ("tongueOut",),
}


@dataclass(frozen=True, kw_only=True)
class Viseme:
    """targets: unit (without its side) -> 0 to 1; what is not named is 0. dominance: articulator -> 0 to 1."""

    targets: Mapping[str, float] = field(default_factory=dict)
    dominance: Mapping[str, float]


def _viseme(dominance: tuple[float, float, float, float, float], **targets: float) -> Viseme:
    return Viseme(targets=targets, dominance=dict(zip(ARTICULATORS, dominance)))


def _vowel(jaw: float, rounding: float = 0.5, **targets: float) -> Viseme:
    return _viseme((0.9, rounding, 0.6, 0.6, 0.3), jawOpen=jaw, **targets)


def _stop(jaw: float, **targets: float) -> Viseme:
    return _viseme((0.5, 0.12, 0.12, 0.9, 0.3), jawOpen=jaw, **targets)


def _sibilant(jaw: float, rounding: float, **targets: float) -> Viseme:
    return _viseme((1.0, rounding, 0.5, 0.6, 0.3), jawOpen=jaw, **targets)


def _free(jaw: float, dominance: float) -> Viseme:
    return _viseme((dominance, 0.06, 0.06, 0.06, 0.2), jawOpen=jaw)


_AA = _vowel(0.56, mouthLowerDown=0.24, mouthUpperUp=0.10)
_AO = _vowel(0.44, 0.8, mouthFunnel=0.45, mouthPucker=0.15, mouthLowerDown=0.10)
_EH = _vowel(0.36, mouthStretch=0.22, mouthLowerDown=0.26, mouthUpperUp=0.12)
_IH = _vowel(0.24, mouthStretch=0.25, mouthSmile=0.05, mouthLowerDown=0.22, mouthUpperUp=0.08)
_UH = _vowel(0.22, 0.8, mouthFunnel=0.30, mouthPucker=0.40)
_IY = _vowel(0.15, mouthStretch=0.38, mouthSmile=0.15, mouthLowerDown=0.22, mouthUpperUp=0.10)
_PALATAL = {
    "mouthFunnel": 0.50,
    "mouthPucker": 0.18,
    "jawForward": 0.12,
    "mouthUpperUp": 0.10,
    "mouthLowerDown": 0.12,
}
_LABIAL = {"mouthPress": 0.22, "mouthRollLower": 0.16, "mouthRollUpper": 0.12}
_DENTAL = _viseme((0.6, 0.15, 0.2, 0.4, 1.0), jawOpen=0.16, tongueOut=0.32, mouthLowerDown=0.15)
_ALVEOLAR = _viseme((0.5, 0.1, 0.15, 0.3, 0.8), jawOpen=0.13, tongueOut=0.03, mouthLowerDown=0.12)
_LABIODENTAL = _viseme((0.8, 0.25, 0.3, 1.0, 0.5), jawOpen=0.10, mouthRollLower=0.45, mouthUpperUp=0.20)

VISEMES: dict[str, Viseme] = {
    PAUSE: _viseme((0.5, 0.4, 0.4, 0.4, 0.5)),
    "aa": _AA,
    "ae": _vowel(0.50, mouthStretch=0.25, mouthLowerDown=0.32, mouthUpperUp=0.18),
    "ah": _vowel(0.36, 0.3, mouthLowerDown=0.18, mouthUpperUp=0.08),
    "ao": _AO,
    "eh": _EH,
    "er": _vowel(0.24, 0.7, mouthFunnel=0.32, mouthPucker=0.18, mouthLowerDown=0.10),
    "ih": _IH,
    "iy": _IY,
    "uh": _UH,
    "uw": _vowel(0.15, 1.0, mouthFunnel=0.28, mouthPucker=0.75),
    "b": _stop(0.10, **_LABIAL),
    "p": _stop(0.10, **_LABIAL),
    "m": _stop(0.09, mouthPress=0.14, mouthRollLower=0.10, mouthRollUpper=0.08),
    "f": _LABIODENTAL,
    "v": _LABIODENTAL,
    "th": _DENTAL,
    "dh": _DENTAL,
    "t": _ALVEOLAR,
    "d": _ALVEOLAR,
    "n": _ALVEOLAR,
    "l": _viseme((0.5, 0.1, 0.15, 0.3, 0.9), jawOpen=0.22, tongueOut=0.08, mouthLowerDown=0.15),
    "s": _sibilant(0.07, 0.15, mouthStretch=0.20, mouthLowerDown=0.22, mouthUpperUp=0.10),
    "z": _sibilant(0.07, 0.15, mouthStretch=0.20, mouthLowerDown=0.22, mouthUpperUp=0.10),
    **{phone: _sibilant(0.08, 0.9, **_PALATAL) for phone in ("sh", "zh", "ch", "jh")},
    "w": _viseme((0.7, 1.0, 0.8, 0.5, 0.3), jawOpen=0.10, mouthFunnel=0.20, mouthPucker=0.85),
    "r": _viseme((0.5, 0.6, 0.5, 0.3, 0.3), jawOpen=0.16, mouthFunnel=0.38, mouthPucker=0.22),
    "y": _viseme((0.5, 0.2, 0.5, 0.3, 0.3), jawOpen=0.13, mouthStretch=0.28, mouthLowerDown=0.12),
    "k": _free(0.18, 0.4),
    "g": _free(0.18, 0.4),
    "ng": _free(0.18, 0.4),
    "hh": _free(0.25, 0.1),
}

GLIDES: dict[str, tuple[Viseme, Viseme]] = {
    "aw": (_AA, _UH),
    "ay": (_AA, _IH),
    "ey": (_EH, _IY),
    "ow": (_AO, _vowel(0.20, 0.9, mouthFunnel=0.30, mouthPucker=0.60)),
    "oy": (_AO, _IH),
}
"""The diphthongs: where they start and where they end."""
