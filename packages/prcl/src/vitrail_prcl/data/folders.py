"""Folders of one's own.

Labelled      A/images/NAME.jpg    any picture or TIFF; a GeoTIFF may have any number of bands
              A/masks/NAME.png     or .tif, or in A/labels; class numbers, 255 for no label
              A/classes.txt        a class a line; may be left out, then the masks are counted ("class 0", ...)
Unlabelled    B/**/*.jpg           any pictures below B; where B has images/ beside masks/ or labels/, those in images/

A name may lie in folders: images/north/17.jpg goes with masks/north/17.png. Hidden files and folders are left out.
"""

from __future__ import annotations

import os
from pathlib import Path

from vitrail.errors import UsageError
from vitrail_prcl.data.masks import MaskReader, find_classes, read_classes
from vitrail_prcl.data.pictures import PICTURES, TIFF, LabelledImage, Pictures
from vitrail_segmentation.palettes import Palette

IMAGES = "images"
MASKS = ("masks", "labels")


def labelled_folder(folder: Path, *, palette: Palette | None = None) -> Pictures:
    """The images of a labelled folder, in the order of their names.

    palette: its classes, instead of classes.txt; masks in its colours are then read too.

    An image without a mask, or a mask without an image, is among them and raises InputError when it is read, so that
    it can be left out and counted. UsageError is for what is wrong with the whole.
    """
    if not (folder / IMAGES).is_dir():
        raise UsageError(
            f"{folder} has no folder {IMAGES}; wanted are {folder / IMAGES} with pictures and {folder / MASKS[0]} with "
            "a mask for each, of the same name."
        )
    masks_folder = _masks_folder(folder)
    images, masks = pictures_below(folder / IMAGES), pictures_below(masks_folder, (".png", *TIFF))
    if not images:
        raise UsageError(f"{folder / IMAGES} holds no picture; wanted are {', '.join(PICTURES)}.")
    if not images.keys() & masks.keys():
        name, image = next(iter(images.items()))
        raise UsageError(
            f"none of the {len(images)} images in {folder / IMAGES} has a mask: {image.name}, for instance, wants "
            f"{masks_folder / name}.png or .tif. Name the masks as the images."
        )
    known = palette or read_classes(folder) or find_classes(masks.values(), folder)
    items = tuple(
        LabelledImage(
            name,
            images.get(name, folder / IMAGES / f"{name}.*"),
            masks.get(name, masks_folder / f"{name}.png"),
        )
        for name in sorted(images.keys() | masks.keys())
    )
    return Pictures(items=items, palette=known, read_mask=MaskReader(len(known.classes), palette))


def unlabelled_folder(folder: Path) -> Pictures:
    """All pictures below a folder, in the order of their names; masks are not looked for, and not taken for images."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; wanted is a folder with pictures in it.")
    mixed = (folder / IMAGES).is_dir() and any((folder / name).is_dir() for name in MASKS)
    found = pictures_below(folder / IMAGES if mixed else folder)
    if not found:
        raise UsageError(f"{folder} holds no picture; wanted are {', '.join(PICTURES)}, at any depth.")
    return Pictures(items=tuple(LabelledImage(name, path) for name, path in found.items()))


def pictures_below(folder: Path, suffixes: tuple[str, ...] = PICTURES) -> dict[str, Path]:
    """The pictures in a folder and the folders in it, by their path without suffix, in order.

    Raises UsageError where two have the same name.
    """
    found: dict[str, Path] = {}
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            path = Path(place, file)
            if file.startswith(".") or path.suffix.lower() not in suffixes:
                continue
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in found:
                raise UsageError(f"{found[name]} and {file} have the same name. Rename one, or remove it.")
            found[name] = path
    return dict(sorted(found.items()))


def _masks_folder(folder: Path) -> Path:
    there = [folder / name for name in MASKS if (folder / name).is_dir()]
    if not there:
        raise UsageError(
            f"{folder} has no folder {' or '.join(MASKS)}; wanted is a mask for each image, of the same name."
        )
    if len(there) > 1:
        raise UsageError(f"{folder} has both {MASKS[0]} and {MASKS[1]}; keep the one that holds the masks.")
    return there[0]
