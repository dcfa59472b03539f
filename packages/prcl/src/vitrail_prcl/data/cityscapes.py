"""Cityscapes: where its files lie, and its 19 training classes.

leftImg8bit/train/aachen/aachen_000013_000019_leftImg8bit.png
gtFine/train/aachen/aachen_000013_000019_gtFine_labelIds.png        as downloaded: 34 label ids
gtFine/train/aachen/aachen_000013_000019_gtFine_labelTrainIds.png   as the benchmark's own script writes it
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail_prcl.data.pictures import LabelledImage
from vitrail_segmentation.palettes import IGNORE, get_palette
from vitrail_segmentation.reading import read_class_labels

IMAGES, IMAGE_END = "leftImg8bit", "_leftImg8bit"
TRAIN_IDS_END, IDS_END = "_labelTrainIds.png", "_labelIds.png"
PALETTE = get_palette("cityscapes")
TEST_CITIES = ("berlin", "bielefeld", "bonn", "leverkusen", "mainz", "munich")
"""Of the test split, whose labels are not public."""

LABEL_IDS = 34
LABEL_IDS_OF_CLASSES = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The label id of each training class, road first; all others are not trained on."""


@dataclass(frozen=True)
class CityscapesMasks:
    """Reads either kind of mask: label ids become training classes."""

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """Labels (H, W) uint8, 255 for no label. Raises InputError naming the file."""
        if not path.name.endswith(IDS_END):
            return read_class_labels(path, len(PALETTE.classes))
        table = np.full(256, IGNORE, np.uint8)
        table[list(LABEL_IDS_OF_CLASSES)] = np.arange(len(LABEL_IDS_OF_CLASSES))
        return table[read_class_labels(path, LABEL_IDS)]


def cityscapes_item(root: Path, name: str) -> LabelledImage:
    """The files of an id, with or without its ending, in whichever of train, val and test has the image."""
    stem = name.removesuffix(IMAGE_END)
    city = stem.split("_")[0]
    places = [root / IMAGES / part / city / f"{stem}{IMAGE_END}.png" for part in ("train", "val", "test")]
    image = next((path for path in places if path.exists()), places[0])
    mask = root / "gtFine" / image.parts[-3] / city / f"{stem}_gtFine{TRAIN_IDS_END}"
    return LabelledImage(name, image, either_mask(mask))


def either_mask(mask: Path) -> Path:
    """The mask of label ids where that of training classes was never made."""
    ids = mask.with_name(mask.name.removesuffix(TRAIN_IDS_END) + IDS_END)
    return ids if mask.name.endswith(TRAIN_IDS_END) and not mask.exists() and ids.exists() else mask


def refuse_test_cities(items: list[LabelledImage], source: Path) -> None:
    """Raises UsageError for a list of labelled images that names cities of the test split, as PRCL's own does."""
    found = sorted({item.image.parent.name for item in items} & set(TEST_CITIES))
    if found:
        raise UsageError(
            f"{source} names images of {', '.join(found)}: cities of the Cityscapes test split, whose labels are not "
            "public, so that val/ has none of them. The list for validation that is published with PRCL is such a one; "
            "use the 500 images of val/ (frankfurt, lindau and munster) instead."
        )
