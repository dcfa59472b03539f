"""Which images get to keep their labels: drawn with a seed, so that every class is among them.

Images are drawn one by one, as iterative stratification (Sechidis, Tsoumakas and Vlahavas, 2011) does for several
labels an image, here into one growing part:

1. The class of whose images the smallest share has been drawn is served next; among equals the one with fewest images.
2. The next image that holds this class is drawn, in an order shuffled with the seed. While there are classes of which
   nothing has been drawn, it is the one of the next `CANDIDATES` that holds most of these.
3. Images without any labelled pixel come last.

So n images hold as many classes as n images can, or nearly, and each class in about the share that it has in the whole.
Which image comes next does not depend on how many are wanted: 20 labelled images are among the 40 of the same seed.
Images for validation are drawn first, the same way, but never the last image of a class.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError

CANDIDATES = 16
VALIDATION, LABELLED = range(2)  # separate streams of random numbers


@dataclass(frozen=True, kw_only=True)
class Split:
    """Numbers of images. labelled and validation: in the order in which they were drawn; unlabelled: rising."""

    labelled: tuple[int, ...]
    unlabelled: tuple[int, ...]
    validation: tuple[int, ...]


def split_images(
    present: NDArray[np.bool_], labels: Sequence[str | int], *, validation: str | int = 0, seed: int = 0
) -> list[Split]:
    """A split for each amount of `labels`, each within the next larger one.

    present: (N, K), whether an image holds a class.
    labels: how many images keep their labels, as `parse_amount` takes it, of those that are not for validation.
    validation: how many are set aside, of all.
    """
    if seed < 0:
        raise UsageError(f"seed is {seed}; wanted is 0 or above.")
    count = len(present)
    held = 0 if str(validation) == "0" else parse_amount(validation, count, "validation")
    if held >= count:
        raise UsageError(f"validation takes {held} of {count} images; wanted is to leave some for training.")
    aside = stratified_order(present, held, rng=_generator(seed, VALIDATION), spare_last=True)
    rest = np.setdiff1d(np.arange(count), aside)
    amounts = [parse_amount(amount, len(rest), "labels") for amount in labels]
    order = rest[stratified_order(present[rest], max(amounts), rng=_generator(seed, LABELLED))]
    return [
        Split(
            labelled=tuple(order[:amount].tolist()),
            unlabelled=tuple(np.setdiff1d(rest, order[:amount]).tolist()),
            validation=tuple(aside.tolist()),
        )
        for amount in amounts
    ]


def parse_amount(amount: str | int, total: int, name: str) -> int:
    """How many of `total`: a count (40), or a share (1/16, 0.05, 5%), which is rounded up. UsageError for others."""
    text = str(amount).strip()
    share = re.fullmatch(r"(\d+)/(\d+)|(\d*\.\d+)|(\d+(?:\.\d+)?)%", text)
    if share is not None:
        over, under, decimal, percent = share.groups()
        value = float(over) / max(float(under), 1e-9) if over else float(decimal or float(percent) / 100)
        wanted = math.ceil(value * total - 1e-9) if value <= 1 else total + 1
    elif text.isdecimal():
        wanted = int(text)
    else:
        wanted = 0
    if not 1 <= wanted <= total:
        raise UsageError(
            f"{name} is {text}, and there are {total} images to choose from; wanted is a count such as 40, or a share "
            "such as 1/16, 0.05 or 5%."
        )
    return wanted


def stratified_order(
    present: NDArray[np.bool_], count: int, *, rng: np.random.Generator, spare_last: bool = False
) -> NDArray[np.int64]:
    """The first `count` images in the order that the module's text describes.

    spare_last: leave each class an image that is not drawn, as long as there are others to draw.
    """
    shuffled = rng.permutation(len(present))
    present = present[shuffled]
    totals, drawn = present.sum(axis=0), np.zeros(len(present), np.bool_)
    left = totals.copy()
    chosen: list[int] = []
    while len(chosen) < count:
        free = ~drawn
        if spare_last:
            free &= ~(present & (left == 1)).any(axis=1)
        open_classes = present[free].any(axis=0)
        if open_classes.any():
            behind = np.where(open_classes, 1 - left / np.maximum(totals, 1), np.inf)
            served = int(np.lexsort((totals, behind))[0])
            candidates = np.flatnonzero(free & present[:, served])[:CANDIDATES]
            missing = (left == totals) & (totals > 0)
            chosen.append(int(candidates[present[candidates][:, missing].sum(axis=1).argmax()]))
        else:
            chosen.append(int(np.flatnonzero(free if free.any() else ~drawn)[0]))
        drawn[chosen[-1]] = True
        left -= present[chosen[-1]]
    return shuffled[chosen].astype(np.int64)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
