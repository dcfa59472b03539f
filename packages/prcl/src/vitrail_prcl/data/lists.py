"""Text files that say which images to use, one a line, in a folder of VOC, of Cityscapes or of one's own.

    2007_000032                                           an id, as the lists published with PRCL have it
    aachen_000013_000019_leftImg8bit                      likewise
    JPEGImages/2007_000032.jpg SegmentationClass/2007_000032.png      image and mask, as most later methods have it
    JPEGImages/2007_000032.jpg                            an image alone, in lists of unlabelled images

Paths are relative to the folder. Where a path has a space in it, a tab stands behind the image's path.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from vitrail.errors import UsageError
from vitrail_prcl.data.cityscapes import (
    IMAGES,
    PALETTE,
    CityscapesMasks,
    cityscapes_item,
    either_mask,
    refuse_test_cities,
)
from vitrail_prcl.data.masks import MaskReader, find_classes, read_classes
from vitrail_prcl.data.pictures import PICTURES, LabelledImage, Pictures
from vitrail_segmentation.palettes import Palette, get_palette

VOC_IMAGES = "JPEGImages"
VOC_MASKS = ("SegmentationClassAug", "SegmentationClass")


class Line(NamedTuple):
    """A line of a list. image: an id, or a path; mask: a path, or empty."""

    number: int
    image: str
    mask: str = ""

    @property
    def is_id(self) -> bool:
        return not self.mask and Path(self.image).suffix.lower() not in PICTURES


def open_list(root: Path, source: Path, *, labelled: bool = True, palette: Palette | None = None) -> Pictures:
    """The images that a list names, in its order; both formats may be mixed.

    root: the folder of VOC (with JPEGImages in it), of Cityscapes (leftImg8bit, gtFine), or any other for paths.
    labelled: False leaves all masks out, also those that the list names.
    palette: the classes. By default those of `root`/classes.txt, of VOC, of Cityscapes, or as many as the masks use.

    Raises UsageError for what is wrong with the list. A file that is missing or damaged is an InputError when it is
    read.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder; wanted is the folder that {source} is about.")
    is_cityscapes = (root / IMAGES).is_dir()
    find = _finder(root)
    items = [_item(root, line, source, find, labelled) for line in read_list(source)]
    if is_cityscapes and labelled:
        refuse_test_cities(items, source)
    if not any(item.image.exists() for item in items):
        raise UsageError(
            f"{source} names {len(items)} images and none of them is there; the first would be {items[0].image}."
        )
    if not labelled:
        return Pictures(items=tuple(item._replace(mask=None) for item in items))
    own = palette or read_classes(root)
    if own is None and is_cityscapes:
        return Pictures(items=tuple(items), palette=PALETTE, read_mask=CityscapesMasks())
    if own is None and (root / VOC_IMAGES).is_dir():
        own = get_palette("voc")
    known = own or find_classes((item.mask for item in items if item.mask is not None), root)
    return Pictures(items=tuple(items), palette=known, read_mask=MaskReader(len(known.classes), palette))


def read_list(path: Path) -> list[Line]:
    """The lines of a list; empty ones are left out. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}); wanted is a text file of images.") from error
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) > 2:
            raise UsageError(
                f"line {number} of {path} has {len(fields)} parts; wanted is an id, or an image and its mask. Put a "
                "tab between the two where a name has a space in it."
            )
        if fields and fields[0].strip():
            lines.append(Line(number, *(field.strip() for field in fields)))
    if not lines:
        raise UsageError(f"{path} is empty; wanted is an image a line.")
    return lines


def voc_item(root: Path, name: str) -> LabelledImage:
    """The files of a VOC id: the mask of the augmented set where there is one, else the original one."""
    masks = [root / folder / f"{name}.png" for folder in VOC_MASKS if (root / folder).is_dir()]
    wanted = [*masks, root / VOC_MASKS[-1] / f"{name}.png"]
    mask = next((path for path in masks if path.exists()), wanted[0])
    return LabelledImage(name, root / VOC_IMAGES / f"{name}.jpg", mask)


def format_line(image: str, mask: str = "") -> str:
    """A line of the later format, without its end."""
    if any(character in image + mask for character in "\t\r\n"):
        raise UsageError(f"{image!r} has a tab or a line break in its name; rename it to put it into a list.")
    if " " in image + mask:
        return f"{image}\t{mask}"
    return f"{image} {mask}".strip()


Finder = Callable[[Path, str], LabelledImage]


def _finder(root: Path) -> Finder | None:
    """What finds the files of an id, by the folders that `root` has."""
    if (root / VOC_IMAGES).is_dir():
        return voc_item
    return cityscapes_item if (root / IMAGES).is_dir() else None


def _item(root: Path, line: Line, source: Path, find: Finder | None, labelled: bool) -> LabelledImage:
    if line.is_id:
        if find is None:
            raise UsageError(
                f"line {line.number} of {source} is the id {line.image}, and {root} has neither {VOC_IMAGES} (VOC) nor "
                f"{IMAGES} (Cityscapes). Give the folder that holds it, or a list of paths."
            )
        return find(root, line.image)
    name = Path(line.image).with_suffix("").as_posix()
    if not line.mask:
        if labelled:
            raise UsageError(
                f"line {line.number} of {source} names {line.image} without a mask; labelled images want both, with a "
                "space or a tab between."
            )
        return LabelledImage(name, root / line.image)
    return LabelledImage(name, root / line.image, either_mask(root / line.mask))
