"""Splits as files: lists that other semi-supervised methods read too, and a record of what is in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError
from vitrail.files import atomic_folder
from vitrail_prcl.data.lists import format_line
from vitrail_prcl.data.pictures import LabelledImage, Pictures
from vitrail_prcl.data.splitting import Split, split_images

RECORD = "split.json"
LISTS = {"labelled": "labeled.txt", "unlabelled": "unlabeled.txt", "validation": "val.txt"}
"""File names as UniMatch, CorrMatch and AllSpark have them."""

Track = Callable[[Sequence[int]], Iterable[int]]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What the masks of a data set hold.

    items: images whose masks could be read. pixels: (len(items), K), labelled pixels of each class.
    unmasked: images without a mask. skipped: name -> why the image is in no list.
    """

    items: tuple[LabelledImage, ...]
    pixels: NDArray[np.int64]
    unmasked: tuple[LabelledImage, ...]
    skipped: dict[str, str]


def count_contents(pictures: Pictures, *, track: Track = iter) -> Contents:
    """Read every mask once. track: wraps the numbers of the images, to show progress."""
    items, pixels, unmasked, skipped = [], [], [], {}
    for index in track(range(len(pictures))):
        item = pictures.items[index]
        if not item.image.exists():
            skipped[item.name] = f"{item.image} does not exist."
        elif item.mask is None or not item.mask.exists():
            unmasked.append(item)
        else:
            try:
                pixels.append(pictures.class_pixels(index))
                items.append(item)
            except InputError as error:
                skipped[item.name] = str(error)
    if not items:
        reason = next(iter(skipped.values()), "none has a mask.")
        raise UsageError(f"there is no labelled image to split. The first reason: {reason}")
    return Contents(items=tuple(items), pixels=np.array(pixels), unmasked=tuple(unmasked), skipped=skipped)


def write_splits(
    pictures: Pictures,
    root: Path,
    out: Path,
    labels: Sequence[str | int],
    *,
    validation: str | int = 0,
    seed: int = 0,
    track: Track = iter,
) -> list[dict[str, Any]]:
    """Split the labelled images of `root` and write the lists; returns what split.json says, one for each of `labels`.

    out: a folder that gets labeled.txt, unlabeled.txt, val.txt (with `validation`) and split.json; for several `labels`
        one such folder each, named by its number of labelled images. It appears whole or not at all.

    Images without a mask are unlabelled. Raises UsageError where there are too few images, or `out` is in use.
    """
    contents = count_contents(pictures, track=track)
    splits = split_images(contents.pixels > 0, labels, validation=validation, seed=seed)
    names = [str(len(split.labelled)) for split in splits]
    if len(set(names)) < len(names):
        raise UsageError(f"labels asks twice for {', '.join(names)} images; give each number once.")
    records = [describe(split, contents, pictures.classes, seed) for split in splits]
    with atomic_folder(out) as folder:
        for name, split, record in zip(names, splits, records, strict=True):
            place = folder if len(splits) == 1 else folder / name
            place.mkdir(exist_ok=True)
            for part, file in LISTS.items():
                lines = [_line(contents.items[number], root) for number in getattr(split, part)]
                if part == "unlabelled":
                    lines += [_line(item._replace(mask=None), root) for item in contents.unmasked]
                if lines or part != "validation":
                    (place / file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
            (place / RECORD).write_text(text, encoding="utf-8")
    return records


def describe(split: Split, contents: Contents, classes: Sequence[str], seed: int) -> dict[str, Any]:
    """What is in a split: images, and for each class the images that hold it and its pixels, by part.

    "missing" are classes of which no labelled image has a pixel though the data set does.
    """
    parts = {part: contents.pixels[list(getattr(split, part))] for part in LISTS}
    held = (contents.pixels > 0).any(axis=0)
    shown = (parts["labelled"] > 0).any(axis=0)
    return {
        "format": 1,
        "seed": seed,
        "images": {
            part: len(found) + (len(contents.unmasked) if part == "unlabelled" else 0)
            for part, found in parts.items()
        },
        "classes": {
            name: {
                "images": {part: int((found[:, k] > 0).sum()) for part, found in parts.items()},
                "pixels": {part: int(found[:, k].sum()) for part, found in parts.items()},
            }
            for k, name in enumerate(classes)
        },
        "missing": [name for k, name in enumerate(classes) if held[k] and not shown[k]],
        "skipped": contents.skipped,
    }


def _line(item: LabelledImage, root: Path) -> str:
    return format_line(*(_relative(path, root) for path in (item.image, item.mask) if path is not None))


def _relative(path: Path, root: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
