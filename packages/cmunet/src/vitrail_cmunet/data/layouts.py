"""Where the images and labels lie in the folders that people download.

Vaihingen   top/top_mosaic_09cm_area1.tif                                                   IRRG, uint8
            gts_for_participants/top_mosaic_09cm_area1.tif                                  or
            ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE/top_mosaic_09cm_area1.tif
            ISPRS_semantic_labeling_Vaihingen_ground_truth_eroded_COMPLETE/top_mosaic_09cm_area1_noBoundary.tif
Potsdam     2_Ortho_RGB/top_potsdam_2_10_RGB.tif    3_Ortho_IRRG/top_potsdam_2_10_IRRG.tif
            5_Labels_all/top_potsdam_2_10_label.tif
            5_Labels_all_noBoundary/top_potsdam_2_10_label_noBoundary.tif
LoveDA      Train/Urban/images_png/1366.png  Train/Urban/masks_png/1366.png   (also Rural; Val; Test has no masks)

The named files are looked for in the given folder itself and in every folder below it, so that it does not matter
how the archives were unpacked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from vitrail.errors import InputError, UsageError
from vitrail_cmunet.splits import LOVEDA_FOLDERS, LOVEDA_HELD_OUT, LOVEDA_SCENES

Imagery = Literal["rgb", "irrg"]
PICTURES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")


class Pair(NamedTuple):
    """An image and its labels. `name` is unique within a data set and has no suffix."""

    name: str
    image: Path
    labels: Path


def vaihingen_tiles(root: Path, ids: Sequence[str], *, eroded: bool = False) -> list[Pair]:
    """The tiles `ids` ("1" to "38"). eroded: the masks whose boundaries between classes are black."""
    name = "top_mosaic_09cm_area{}"
    mask = name + ("_noBoundary.tif" if eroded else ".tif")
    index = _Index(root)
    return [
        Pair(
            name.format(i),
            index.find(name.format(i) + ".tif", "image", among=("top",)),
            index.find(mask.format(i), "labels", among=() if eroded else ("ground_truth_complete", "gts")),
        )
        for i in ids
    ]


def potsdam_tiles(
    root: Path, ids: Sequence[str], *, eroded: bool = False, imagery: Imagery = "rgb"
) -> list[Pair]:
    """The tiles `ids` ("2_10" to "7_13"), as RGB or as infrared, red and green."""
    name, kind = "top_potsdam_{}", imagery.upper()
    if kind not in ("RGB", "IRRG"):
        raise UsageError(f"imagery is {imagery!r}; wanted is rgb or irrg.")
    mask = name + ("_label_noBoundary.tif" if eroded else "_label.tif")
    index = _Index(root)
    return [
        Pair(
            name.format(i),
            index.find(f"{name.format(i)}_{kind}.tif", "image"),
            index.find(mask.format(i), "labels"),
        )
        for i in ids
    ]


def loveda_images(root: Path, part: str, *, published: bool = False) -> list[Pair]:
    """Part "train", "validation" or "test" of LoveDA; see `splits.LOVEDA_FOLDERS` for what each is made of.

    published: train on the whole of Train and choose by Val, as the papers do.
    """
    if part not in LOVEDA_FOLDERS:
        raise UsageError(f"there is no part {part!r}; there are {', '.join(LOVEDA_FOLDERS)}.")
    folder = "Val" if published and part == "validation" else LOVEDA_FOLDERS[part]
    pairs = []
    for scene in LOVEDA_SCENES:
        images = _pictures(root / folder / scene / "images_png")
        for image in sorted(images, key=_number):
            labels = image.parent.parent / "masks_png" / image.name
            if not labels.exists():
                raise InputError(f"{labels} does not exist; wanted are the labels of {image}.")
            pairs.append(Pair(f"{scene}-{image.stem}", image, labels))
    if folder == "Train" and not published:
        held_out = part == "validation"
        pairs = [pair for i, pair in enumerate(pairs) if (i % LOVEDA_HELD_OUT == 0) is held_out]
    if not pairs:
        raise InputError(f"{root / folder} holds too few images to take {part} from.")
    return pairs


def patch_folder(folder: Path) -> list[Pair]:
    """The patches that `vitrail cmunet patches` wrote: images/NAME.png and masks/NAME.png."""
    pairs = []
    for image in sorted(_pictures(folder / "images")):
        labels = folder / "masks" / f"{image.stem}.png"
        if not labels.exists():
            raise InputError(f"{labels} does not exist; wanted are the labels of {image}.")
        pairs.append(Pair(image.stem, image, labels))
    return pairs


class _Index:
    """Every file below a folder, by name in lower case."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError(f"{root} is not a folder; wanted is the folder of the download.")
        self.root = root
        self.files: dict[str, list[Path]] = {}
        for path in sorted(root.rglob("*.tif")):
            self.files.setdefault(path.name.lower(), []).append(path)
        if not self.files:
            raise InputError(f"{root} holds no .tif file; wanted is the folder of the download, unpacked.")

    def find(self, name: str, what: str, *, among: Sequence[str] = ()) -> Path:
        """The file `name`. Where images and labels share a name, the folder's own name must say which it is:
        the first of `among` that it contains decides."""
        found = self.files.get(name.lower(), [])
        for word in among:
            fitting = [path for path in found if word in path.parent.name.lower()]
            if fitting:
                return fitting[0]
        if among or not found:
            where = f" in a folder whose name contains {' or '.join(map(repr, among))}" if among else ""
            raise InputError(f"{self.root} has no {name}{where}; every tile of the split needs its {what}.")
        return found[0]


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; wanted is a folder of images.")
    found = [
        path for path in folder.iterdir() if path.suffix.lower() in PICTURES and not path.name.startswith(".")
    ]
    if not found:
        raise InputError(f"{folder} is empty; wanted are images in it.")
    return found


def _number(path: Path) -> tuple[int, str]:
    return (int(path.stem) if path.stem.isdigit() else -1, path.stem)
