"""Labels of one scene, made few: what a semi-supervised method is tried on.

Whole blocks of 8 x 8 pixels keep their labels, all other pixels are 255. Blocks are drawn one by one:

1. The class whose kept share of its pixels is the smallest is served next; among equals the one with fewest pixels.
   So each class gets a block first, the rarest before the others, and then all grow alike.
2. One of the blocks that hold this class is drawn, as likely as it has pixels of it, and is kept with all its labels.
3. This ends when the share of labelled pixels is reached. It is passed by less than a block, unless giving each class
   one block takes more.

Which block comes next does not depend on the share: with the same seed, the blocks of 2 % are among those of 5 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError
from vitrail_segmentation.labelled_scene import LabelledScene
from vitrail_segmentation.palettes import IGNORE

BLOCK = 8


def keep_blocks(scene: LabelledScene, share: float, *, seed: int, block: int = BLOCK) -> LabelledScene:
    """The scene with labels on `share` (above 0, to 1) of its labelled pixels; see the module's text.

    Blocks are counted from the top left of this part of the scene. Everything but the labels stays as it is, for all
    ground can be learnt from without labels.
    """
    if not 0 < share <= 1:
        raise UsageError(f"share is {share}; wanted is above 0 and at most 1, such as 0.05.")
    if seed < 0:
        raise UsageError(f"seed is {seed}; wanted is 0 or above.")
    if block < 1:
        raise UsageError(f"block is {block}; wanted is at least 1 pixel.")
    counts = _counts(scene.labels, len(scene.palette.classes), block)
    if not counts.any():
        raise InputError("this part of the scene has no labelled pixel.")
    kept = np.zeros(len(counts), np.bool_)
    kept[_draw(counts, share, np.random.default_rng(seed))] = True
    height, width = scene.labels.shape
    across = -(-width // block)
    mask = kept.reshape(-1, across).repeat(block, axis=0).repeat(block, axis=1)[:height, :width]
    return replace(scene, labels=np.where(mask, scene.labels, np.uint8(IGNORE)))


def _counts(labels: NDArray[np.uint8], classes: int, block: int) -> NDArray[np.int64]:
    """Pixels of each class in each block, (blocks, K), blocks row by row."""
    height, width = labels.shape
    rows, columns = np.arange(height) // block, np.arange(width) // block
    places = rows[:, None] * (columns[-1] + 1) + columns
    known = labels != IGNORE
    total = (rows[-1] + 1) * (columns[-1] + 1)
    flat = places[known] * classes + labels[known]
    return np.bincount(flat, minlength=total * classes).reshape(total, classes)


def _draw(counts: NDArray[np.int64], share: float, rng: np.random.Generator) -> list[int]:
    """Numbers of the blocks to keep."""
    totals = counts.sum(axis=0)
    queues = [_weighted_order(counts[:, k], rng) for k in range(counts.shape[1])]
    wanted, have = share * totals.sum(), np.zeros_like(totals)
    kept: dict[int, None] = {}
    present = totals > 0
    while have.sum() < wanted or (have[present] == 0).any():
        behind = np.where(have < totals, have / np.maximum(totals, 1), np.inf)
        served = int(np.lexsort((totals, behind))[0])
        chosen = next(number for number in queues[served] if number not in kept)
        kept[chosen] = None
        have = have + counts[chosen]
    return list(kept)


def _weighted_order(pixels: NDArray[np.int64], rng: np.random.Generator) -> Iterator[int]:
    """The blocks with any `pixels` of a class, drawn one after the other, each as likely as it has pixels.

    Drawing without replacement by weight is the order of u ** (1 / weight) (Efraimidis and Spirakis, 2006).
    """
    places = np.flatnonzero(pixels)
    keys = np.log(1 - rng.random(len(places))) / pixels[places]
    return iter(places[np.argsort(-keys, kind="stable")].tolist())
