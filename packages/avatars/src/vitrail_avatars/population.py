"""Who lives in this world: endless people, each the same whenever and wherever they are called up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from vitrail.errors import UsageError
from vitrail_avatars.appearance.beard import BEARDS, Beard
from vitrail_avatars.appearance.colours import from_srgb, hair
from vitrail_avatars.appearance.hair import Hair, Style
from vitrail_avatars.appearance.lids import Lids
from vitrail_avatars.appearance.lines import Lines
from vitrail_avatars.appearance.makeup import NO_MAKE_UP, MakeUp
from vitrail_avatars.appearance.skin import Brows, Skin
from vitrail_avatars.head import ANCESTRIES, GENDERS, load_head
from vitrail_avatars.seeds import stream
from vitrail_avatars.shapes import details, shape

LEAST_AGE, MOST_AGE = 10.0, 85.0
_IRISES = {
    "brown": (0.25, 0.13, 0.06), "dark brown": (0.16, 0.08, 0.045), "hazel": (0.36, 0.26, 0.13),
    "green": (0.30, 0.38, 0.26), "blue": (0.33, 0.46, 0.58), "grey": (0.43, 0.48, 0.51),
}  # fmt: skip
"""sRGB."""

_CUTS: dict[str, dict[Style, float]] = {
    "male": {
        "bald": 0.06, "buzz": 0.14, "short": 0.34, "swept": 0.16, "fringe": 0.12, "curly": 0.08, "afro": 0.06,
        "long": 0.04,
    },
    "female": {
        "long": 0.32, "bob": 0.24, "tied": 0.16, "fringe": 0.06, "curly": 0.10, "swept": 0.04, "afro": 0.06,
        "short": 0.02,
    },
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Person:
    """One person, in what does not change from picture to picture.

    gender: of `GENDERS`. age: years. ancestry: (3,), shares of `ANCESTRIES`. muscle, weight: 0 to 1, usual 0.5.
    identity: (64,) float32, components of the shape. eyes: name of the iris' colour; iris: linear RGB.
    """

    seed: int
    number: int
    gender: str
    age: float
    ancestry: tuple[float, float, float]
    muscle: float
    weight: float
    identity: np.ndarray = field(repr=False)
    skin: Skin = field(repr=False)
    brows: Brows = field(repr=False)
    lids: Lids = field(repr=False)
    lines: Lines = field(repr=False)
    make_up: MakeUp = field(repr=False)
    hair: Hair = field(repr=False)
    beard: Beard = field(repr=False)
    eyes: str
    iris: tuple[float, float, float] = field(repr=False)


def person(
    seed: int,
    number: int,
    *,
    gender: str | None = None,
    age: float | None = None,
    ancestry: str | None = None,
) -> Person:
    """Person `number` of the population `seed`; what is given is not drawn, and all else stays as it is.

    gender: "female" or "male". age: 10 to 85 years. ancestry: of `ANCESTRIES`, for a person of that one alone.
    UsageError for anything else.
    """
    _check(gender, age, ancestry)
    draw = stream(seed, number, "gender")
    gender = gender or GENDERS[int(draw.integers(2))]
    grown = float(np.clip(18 + stream(seed, number, "age").gamma(2.2, 10.0), LEAST_AGE, MOST_AGE))
    if stream(seed, number, "child").random() < 0.06:
        grown = float(stream(seed, number, "child age").uniform(LEAST_AGE, 17))
    years = grown if age is None else float(age)
    shares = stream(seed, number, "ancestry").dirichlet([0.35] * 3)
    if ancestry is not None:
        shares = np.eye(3)[ANCESTRIES.index(ancestry)]
    draw = stream(seed, number, "build")
    muscle, weight = (float(np.clip(draw.normal(0.5, 0.17), 0, 1)) for _ in range(2))
    values = details(load_head(), stream(seed, number, "details"))
    identity = shape(load_head(), gender, years, shares, muscle, weight, values)
    colouring = _Colouring(stream(seed, number, "colouring"), shares, years)
    look = stream(seed, number, "look")
    own = int(look.integers(1 << 30))
    male, child = gender == "male", years < 16
    skin = Skin(
        melanin=colouring.melanin,
        blood=float(np.clip(look.normal(0.38, 0.13), 0.12, 0.8)),
        freckles=float(look.beta(0.5, 3)) * (colouring.melanin < 0.3),
        moles=float(look.beta(1, 4)),
        blemishes=float(look.beta(1, 6)),
        lips=float(look.random()) * (0.4 if male else 1.0),
        age=years,
        seed=own,
    )
    brows = _brows(stream(seed, number, "brows"), male, years, colouring)
    around = _lids(stream(seed, number, "lids"), male, years, shares)
    lines = _lines(stream(seed, number, "lines"), years)
    worn = NO_MAKE_UP if male or child else _make_up(stream(seed, number, "make-up"))
    style = _cut(stream(seed, number, "haircut"), gender, shares)
    cut = stream(seed, number, "hair")
    recede = float(np.clip(cut.beta(1, 2) * (years - 20) / 45, 0, 1)) if male else 0.0
    haired = Hair(
        style=style,
        length=float(cut.random()),
        volume=float(cut.beta(2, 2)),
        curl=float(cut.uniform(0.4, 1)) if style == "curly" else 0.0,
        wave=float(cut.random()),
        part=float(cut.choice([-0.6, 0.6, 0.0], p=[0.4, 0.35, 0.25])),
        recede=recede,
        colour=tuple(colouring.hair.tolist()),
        seed=own,
    )
    beard = (
        _beard(stream(seed, number, "beard"), colouring.hair)
        if male and not child
        else Beard("none", 0, 0, (0, 0, 0))
    )
    return Person(
        seed=seed, number=number, gender=gender, age=years, ancestry=tuple(shares.tolist()), muscle=muscle,
        weight=weight, identity=identity, skin=skin, brows=brows, lids=around, lines=lines, make_up=worn, hair=haired,
        beard=beard, eyes=colouring.eyes, iris=tuple(from_srgb(np.array(_IRISES[colouring.eyes])).tolist()),
    )  # fmt: skip


class People:
    """The endless population of a seed: `people[n]` is person n, and iteration never ends.

    What is given holds for all of them; see `person`.
    """

    def __init__(self, seed: int, **given: Any) -> None:
        self.seed, self.given = seed, given

    def __getitem__(self, number: int) -> Person:
        return person(self.seed, number, **self.given)

    def __iter__(self) -> Iterator[Person]:
        return (self[number] for number in count())


class _Colouring:
    """Colours of skin, hair and eyes, which go together."""

    def __init__(self, draw: np.random.Generator, shares: np.ndarray, age: float) -> None:
        tones = [draw.normal(0.66, 0.14), draw.normal(0.2, 0.07), draw.normal(0.1, 0.06)]
        self.melanin = float(np.clip(shares @ np.array(tones), 0.02, 1))
        european = float(shares[2])
        fair = european > 0.6
        dark = draw.beta(1.4, 1.0) if fair else np.clip(draw.normal(0.93, 0.07), 0, 1)
        red = np.clip(draw.normal(0.15, 0.2), 0, 1) if fair else 0.1
        grey = np.clip((age - 40) / 35 + draw.normal(0, 0.2), 0, 1) if age > 32 else 0.0
        dark, red = float(np.clip(dark, 0.03, 1)), float(red)
        self.hair = hair(dark, red, float(grey))
        # Brows are darker than the hair, and grey later.
        self.brows = 0.55 * hair(min(1.0, dark + 0.15), red, float(grey) * 0.45)
        names = list(_IRISES)
        self.eyes = (
            names[int(draw.choice(6, p=[0.2, 0.12, 0.17, 0.14, 0.25, 0.12]))]
            if fair
            else names[int(draw.integers(2))]
        )


def _cut(draw: np.random.Generator, gender: str, shares: np.ndarray) -> Style:
    chances = dict(_CUTS[gender])
    if shares[0] < 0.4:
        chances.pop("afro")
    names = list(chances)
    weights = np.array([chances[name] for name in names])
    return names[int(draw.choice(len(names), p=weights / weights.sum()))]


def _brows(draw: np.random.Generator, male: bool, age: float, colouring: _Colouring) -> Brows:
    thickness, arch, gap, length, height, slope, peak, taper = draw.beta(1.6, 1.6, 8)
    return Brows(
        thickness=float(thickness if male else 0.75 * thickness),
        arch=float(0.7 * arch if male else arch),
        density=float(np.clip(draw.beta(2, 1.4) - 0.3 * np.clip((age - 60) / 25, 0, 1), 0.1, 1)),
        gap=float(gap), length=float(length), height=float(height), slope=float(slope), peak=float(peak),
        taper=float(taper), colour=tuple(colouring.brows.tolist()),
    )  # fmt: skip


def _lids(draw: np.random.Generator, male: bool, age: float, shares: np.ndarray) -> Lids:
    old = float(np.clip((age - 30) / 45, 0, 1))
    single = draw.random() < 0.5 * shares[1]  # no fold, as with half of the people of East Asia
    return Lids(
        crease=float(draw.beta(1.5, 1.5)),
        fold=0.1 if single else float(draw.uniform(0.35, 1)),
        lashes=float(draw.beta(1.5, 2.5) if male else draw.beta(2.5, 1.8)),
        bags=float(np.clip(draw.beta(1.1, 2.5) + 0.45 * old, 0, 1)),
        hollow=float(draw.beta(1.3, 1.8)),
    )


def _lines(draw: np.random.Generator, age: float) -> Lines:
    old = float(np.clip((age - 22) / 55, 0, 1))
    cheek, mouth, forehead, frown, feet = np.clip(1.15 * old * draw.uniform(0.35, 1.25, 5), 0, 1).tolist()
    return Lines(max(cheek, float(0.3 * draw.beta(1, 2))), mouth, forehead, frown, feet)


def _make_up(draw: np.random.Generator) -> MakeUp:
    lips, lids, liner, cheeks = (
        float(draw.random() < p) * float(draw.uniform(0.3, 1)) for p in (0.5, 0.3, 0.4, 0.4)
    )
    red = np.array([0.30, 0.045, 0.06]) * np.exp(draw.normal(0, [0.3, 0.3, 0.35]))
    shade = np.array([0.16, 0.11, 0.12]) * np.exp(draw.normal(0, [0.45, 0.45, 0.5]))
    lip_colour, lid_colour = (tuple(np.clip(c, 0, 0.6).tolist()) for c in (red, shade))
    return MakeUp(lips, lids, liner, cheeks, lip_colour, lid_colour)


def _beard(draw: np.random.Generator, colour: np.ndarray) -> Beard:
    style = BEARDS[int(draw.choice(len(BEARDS), p=[0.42, 0.26, 0.08, 0.08, 0.16]))]
    return Beard(style, float(draw.random()), float(draw.uniform(0.4, 1)), tuple((0.85 * colour).tolist()))


def _check(gender: str | None, age: float | None, ancestry: str | None) -> None:
    if gender is not None and gender not in GENDERS:
        raise UsageError(f"gender is {gender}; wanted is one of {', '.join(GENDERS)}.")
    if age is not None and not LEAST_AGE <= age <= MOST_AGE:
        raise UsageError(f"age is {age}; wanted are {LEAST_AGE:g} to {MOST_AGE:g} years.")
    if ancestry is not None and ancestry not in ANCESTRIES:
        raise UsageError(f"ancestry is {ancestry}; wanted is one of {', '.join(ANCESTRIES)}.")
