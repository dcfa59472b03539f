"""Cuts the tiles of Vaihingen and Potsdam into patches for training and evaluation, once, before training.

Each part of the split becomes a folder: train/, validation/ and test/, with images/NAME.png, masks/NAME.png (class
numbers, 255 = ignored) and patches.json, which says what was done.

What the published script does, and what is done here:

- It pads tiles at the top and the left to a multiple of the patch, and its padding ends up as class 0,
  impervious surface, which is scored. Here padding is at the bottom and the right and is ignored.
  `padding_compat=True` (`--padding-compat`) does it the published way, for comparison with printed numbers.
- Training tiles are stored three times, as they are and mirrored either way (`flips`).
- Vaihingen: where a random crop of a patch, enlarged, has more than `car_share` cars, the crop is stored four times (as
  it is, mirrored either way, turned by 90 degrees) *instead of* the patch. `keep_patch=True` stores the patch too.
- Test labels are the eroded ones: pixels near a boundary between classes are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrail.cli import output
from vitrail.errors import InputError, UsageError
from vitrail.files import atomic_folder
from vitrail_cmunet.config import ISPRS
from vitrail_cmunet.data.layouts import Imagery, Pair, potsdam_tiles, vaihingen_tiles
from vitrail_cmunet.splits import PARTS, split
from vitrail_cmunet.train_config import Part
from vitrail_segmentation.augment import resize_image, resize_labels
from vitrail_segmentation.palettes import IGNORE
from vitrail_segmentation.patches import cut_patches
from vitrail_segmentation.reading import Unknown, read_colour_labels, read_image, require_same_size

Array = NDArray[Any]
DatasetName = Literal["vaihingen", "potsdam"]
CAR = ISPRS.classes.index("car")
MANIFEST = "patches.json"


@dataclass(frozen=True, kw_only=True)
class PatchOptions:
    """How to cut. None means what the published script takes for this data set.

    patch: side of a patch in pixels.
    train_stride: pixels from one training patch to the next; None is half a patch for Vaihingen and a
        whole one for Potsdam.
    flips: store training tiles mirrored either way too.
    car_share: store an enlarged crop instead of a training patch where it has more than this share of cars;
        None is 0.1 for Vaihingen and 1 (never) for Potsdam.
    keep_patch: store the patch beside such a crop.
    imagery: of Potsdam, rgb or irrg. Vaihingen has one kind.
    padding_compat: pad at the top and the left, with class 0, as the published script does.
    unknown: what to do with label colours of no class, error or ignore.
    seed: of the random crops.
    """

    patch: int = 1024
    train_stride: int | None = None
    flips: bool = True
    car_share: float | None = None
    keep_patch: bool = False
    imagery: Imagery = "rgb"
    padding_compat: bool = False
    unknown: Unknown = "error"
    seed: int = 42

    def __post_init__(self) -> None:
        if self.patch < 32 or self.patch % 32:
            raise UsageError(f"patch is {self.patch}; wanted is a multiple of 32.")
        if self.train_stride is not None and not 1 <= self.train_stride <= self.patch:
            raise UsageError(
                f"train_stride is {self.train_stride}; wanted is 1 to {self.patch}, the size of a patch."
            )


def write_patches(
    dataset: DatasetName,
    root: Path,
    out: Path,
    *,
    parts: tuple[Part, ...] = PARTS,
    split_name: str = "usual",
    options: PatchOptions | None = None,
) -> dict[str, int]:
    """Cut `parts` of a data set in `root` (see data.layouts) into folders in `out`; returns patches by part.

    A part's folder appears when it is whole. Raises InputError naming the file that is missing or wrong, and
    UsageError where a part's folder exists already.
    """
    options = options or PatchOptions()
    chosen = split(dataset, split_name)
    for part in parts:
        if (out / part).exists():
            raise UsageError(f"{out / part} exists already. Choose another folder, or remove it.")
    # All files are looked for before the first patch is written.
    tiles = {part: _tiles(dataset, root, chosen.part(part), part, options) for part in parts}
    counts = {}
    for part, pairs in tiles.items():
        with atomic_folder(out / part) as folder:
            counts[part] = _write_part(dataset, part, pairs, folder, options, split_name)
    return counts


def cut_tile(
    image: Array, labels: Array, patch: int, stride: int, *, padding_compat: bool = False
) -> Iterator[tuple[Array, Array]]:
    """Pad a tile to the next multiple of `patch` and cut it, row by row; see the module's text for the padding."""
    pieces = cut_patches(
        image,
        labels,
        size=patch,
        stride=stride,
        multiple_of=patch,
        ignore=0 if padding_compat else IGNORE,
        anchor="bottom-right" if padding_compat else "top-left",
    )
    for piece in pieces:
        yield piece.image, piece.mask


def training_patches(
    image: Array,
    labels: Array,
    options: PatchOptions,
    stride: int,
    car_share: float,
    rng: np.random.Generator,
) -> Iterator[tuple[Array, Array]]:
    """All patches of one training tile: mirrored ones, and car crops."""
    turned = [(image, labels)]
    if options.flips:
        turned += [(image[:, ::-1], labels[:, ::-1]), (image[::-1], labels[::-1])]
    for tile in turned:
        for patch in cut_tile(*tile, options.patch, stride, padding_compat=options.padding_compat):
            if car_share >= 1:
                yield patch
                continue
            crop, crop_labels = _enlarged_crop(*patch, rng)
            has_cars = (crop_labels == CAR).mean() > car_share
            if has_cars:
                yield crop, crop_labels
                yield crop[::-1], crop_labels[::-1]
                yield crop[:, ::-1], crop_labels[:, ::-1]
                yield np.rot90(crop), np.rot90(crop_labels)
            if options.keep_patch or not has_cars:
                yield patch


def _enlarged_crop(image: Array, labels: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """A square of 3/8 to 1/2 of the patch's side, at a random place, enlarged to the whole patch."""
    patch = labels.shape[0]
    side = int(rng.integers(3 * patch // 8, patch // 2 + 1))
    top, left = (int(rng.integers(patch - side + 1)) for _ in range(2))
    window = slice(top, top + side), slice(left, left + side)
    return resize_image(image[window], (patch, patch)), resize_labels(labels[window], (patch, patch))


def _tiles(
    dataset: DatasetName, root: Path, ids: tuple[str, ...], part: Part, options: PatchOptions
) -> list[Pair]:
    eroded = part == "test"
    if dataset == "vaihingen":
        return vaihingen_tiles(root, ids, eroded=eroded)
    return potsdam_tiles(root, ids, eroded=eroded, imagery=options.imagery)


def _write_part(
    dataset: DatasetName, part: Part, pairs: list[Pair], folder: Path, options: PatchOptions, split_name: str
) -> int:
    stride = options.train_stride or (options.patch // 2 if dataset == "vaihingen" else options.patch)
    car_share = (0.1 if dataset == "vaihingen" else 1.0) if options.car_share is None else options.car_share
    for name in ("images", "masks"):
        (folder / name).mkdir()
    count = 0
    for pair in output.track(pairs, f"{dataset} {part}"):
        image, labels = _read(pair, options.unknown)
        if part == "train":
            # A generator for each tile: what one tile gives does not depend on the others.
            rng = np.random.default_rng([options.seed, *map(ord, pair.name)])
            patches = training_patches(image, labels, options, stride, car_share, rng)
        else:
            patches = cut_tile(
                image, labels, options.patch, options.patch, padding_compat=options.padding_compat
            )
        for number, (patch, patch_labels) in enumerate(patches):
            name = f"{pair.name}_{number:04d}.png"
            # Level 1 is four times as fast as the default and the files are hardly larger.
            Image.fromarray(np.ascontiguousarray(patch)).save(folder / "images" / name, compress_level=1)
            Image.fromarray(np.ascontiguousarray(patch_labels)).save(folder / "masks" / name)
            count += 1
    record = {
        "format": 1,
        "dataset": dataset,
        "part": part,
        "split": split_name,
        "classes": ISPRS.classes,
        "palette": ISPRS.colours,
        "ignore": IGNORE,
        "options": {**asdict(options), "train_stride": stride, "car_share": car_share},
        "tiles": [pair.name for pair in pairs],
        "patches": count,
    }
    (folder / MANIFEST).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return count


def _read(pair: Pair, unknown: Unknown) -> tuple[Array, Array]:
    image = read_image(pair.image)
    if image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(
            f"{pair.image} has {image.shape[2]} band(s) of {image.dtype}; wanted are three bands of uint8."
        )
    labels = read_colour_labels(pair.labels, ISPRS, unknown=unknown)
    require_same_size(image, labels, pair.image, pair.labels)
    return image, labels
