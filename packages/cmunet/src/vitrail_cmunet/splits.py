"""Which tile of a benchmark is for training, which for choosing, which for the final number. Plain data.

The published CM-UNet (and GeoSeg) runs on Vaihingen and Potsdam keep the epoch that is best on the *test* tiles.
Nothing here does that unless it is asked for: each split holds one training tile out as `validation`, and
the presets choose by it. `published()` gives the other way, to reproduce the papers' numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vitrail.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Split:
    """Ids of tiles, as they stand in file names: "1" of area1, "2_10" of potsdam_2_10."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def part(self, name: str) -> tuple[str, ...]:
        """The ids of "train", "validation" or "test"."""
        if name not in PARTS:
            raise UsageError(f"there is no part {name!r}; there are {', '.join(PARTS)}.")
        return getattr(self, name)


PARTS = ("train", "validation", "test")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


VAIHINGEN = Split(
    train=_words("1 3 5 7 11 13 15 17 21 23 26 28 32 34 37"),
    validation=("30",),
    test=_words("2 4 6 8 10 12 14 16 20 22 24 27 29 31 33 35 38"),
)
"""The benchmark's own test areas; area 30 of the rest for choosing, as UNetFormer and GeoSeg list it."""

VAIHINGEN_ODD_EVEN = Split(
    train=_words("1 3 5 7 11 13 15 17 21 23 27 29 31 33 35"),
    validation=("37",),
    test=_words("2 4 6 8 10 12 14 16 20 22 24 26 28 30 32 34 38"),
)
"""Odd areas train, even areas test: advice of UNetMamba's author. Area 37 is held out for choosing."""

POTSDAM = Split(
    train=_words(
        "2_11 2_12 3_10 3_11 3_12 4_10 4_11 4_12 5_10 5_11 5_12 6_7 6_8 6_9 6_10 6_11 6_12 7_7 7_8 7_9 7_11 7_12"
    ),
    validation=("2_10",),
    test=_words("2_13 2_14 3_13 3_14 4_13 4_14 4_15 5_13 5_14 5_15 6_13 6_14 6_15 7_13"),
)
"""The benchmark's own test tiles; 2_10 for choosing. 7_10 is left out: its labels are known to be wrong."""

POTSDAM_ODD_EVEN = Split(
    train=_words("2_11 2_13 3_11 3_13 4_11 4_13 4_15 5_11 5_13 5_15 6_7 6_9 6_11 6_13 6_15 7_7 7_9 7_11"),
    validation=("7_13",),
    test=_words("2_10 2_12 2_14 3_10 3_12 3_14 4_10 4_12 4_14 5_10 5_12 5_14 6_8 6_10 6_12 6_14 7_8 7_12"),
)
"""Odd columns (the second number) train, even columns test; our reading for Potsdam, where no paper names one."""

SPLITS: dict[str, dict[str, Split]] = {
    "vaihingen": {"usual": VAIHINGEN, "odd-even": VAIHINGEN_ODD_EVEN},
    "potsdam": {"usual": POTSDAM, "odd-even": POTSDAM_ODD_EVEN},
}

LOVEDA_SCENES = ("Urban", "Rural")
LOVEDA_FOLDERS = {"train": "Train", "validation": "Train", "test": "Val"}
"""LoveDA's official folders. The labels of its Test folder are kept on a server, so Val gives the final number, and
every `LOVEDA_HELD_OUT`-th image of Train is held out for choosing. The published way chooses by Val itself."""

LOVEDA_HELD_OUT = 10


def split(dataset: str, name: str = "usual") -> Split:
    """The split of "vaihingen" or "potsdam", "usual" or "odd-even"."""
    if dataset not in SPLITS:
        raise UsageError(f"{dataset!r} has no tiles to split; wanted is one of {', '.join(SPLITS)}.")
    if name not in SPLITS[dataset]:
        raise UsageError(f"{dataset} has no split {name!r}; there are {', '.join(SPLITS[dataset])}.")
    return SPLITS[dataset][name]


def published(usual: Split) -> Split:
    """The same split as the papers' code uses it: the test tiles also choose the epoch."""
    return replace(usual, validation=usual.test)
