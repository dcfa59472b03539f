"""Pseudo-labels: what the network says of images that nobody has labelled, as files to train on or to correct."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitrail.errors import InputError, UsageError
from vitrail.files import write_text
from vitrail.palettes import distinct_colours
from vitrail_prcl.data.lists import format_line
from vitrail_prcl.data.pictures import TIFF, Pictures
from vitrail_prcl.measuring import TILE, measure_image
from vitrail_prcl.segmenter import PRCLSegmenter
from vitrail_segmentation.geotiff import write_labels
from vitrail_segmentation.maps import write_maps
from vitrail_segmentation.palettes import IGNORE
from vitrail_segmentation.raster import Georeference, open_raster

LIST = "pseudo.txt"
MASKS, MAPS = "masks", "maps"
Track = Callable[[range], Iterable[int]]


@dataclass(frozen=True)
class PseudoLabels:
    """What was written. images: how many got labels. kept: the share of their pixels that was sure enough. skipped:
    name and reason of those that could not be read."""

    out: Path
    images: int
    kept: float
    skipped: dict[str, str]


def write_pseudo_labels(
    segmenter: PRCLSegmenter,
    pictures: Pictures,
    root: Path,
    out: Path,
    *,
    threshold: float = 0.0,
    tile: int = TILE,
    resume: bool = False,
    track: Track = iter,
) -> PseudoLabels:
    """Label every image. Into `out` go

        masks/NAME.png   class numbers in the classes' colours, 255 where the confidence is below `threshold`
        maps/NAME.tif    two bands, float32: confidence and uncertainty, 0 to 1, at the place of the image
        pseudo.txt       an image and its mask a line, for `vitrail train prcl --labeled out/pseudo.txt --data.root
        root`

    root: the folder that the list's paths are relative to. resume: leave images whose maps are there already as they
    are, instead of refusing a folder with something in it. An image that cannot be read is left out and told.
    """
    if not 0 <= threshold < 1:
        raise UsageError(f"threshold is {threshold}; wanted is a probability from 0 to below 1.")
    if out.exists() and any(out.iterdir()) and not resume:
        raise UsageError(
            f"{out} exists already and is not an empty folder. Choose another name, or --resume."
        )
    colours = np.array(segmenter.config.palette or distinct_colours(len(segmenter.classes)), np.uint8)
    lines, skipped, kept, pixels = [], {}, 0, 0
    for index in track(range(len(pictures))):
        item = pictures.items[index]
        mask, maps = out / MASKS / f"{item.name}.png", out / MAPS / f"{item.name}.tif"
        lines.append(format_line(_relative(item.image, root), _relative(mask, root)))
        if resume and maps.exists() and mask.exists():
            continue
        try:
            found = measure_image(segmenter, pictures.read(index)[0], tile=tile)
        except InputError as error:
            skipped[item.name] = str(error)
            lines.pop()
            continue
        sure = found.confidence >= threshold
        kept, pixels = kept + int(sure.sum()), pixels + sure.size
        labels = np.where(sure, found.labels, IGNORE).astype(np.uint8)
        write_labels(mask, labels, classes=segmenter.classes, palette=colours, format="png")
        where = _georeference(item.image)
        write_maps(
            maps, {"confidence": found.confidence, "uncertainty": found.uncertainty}, georeference=where
        )
    if not lines:
        raise UsageError(f"none of the {len(pictures)} images can be used; {next(iter(skipped.values()))}")
    write_text(out / LIST, "".join(f"{line}\n" for line in lines))
    return PseudoLabels(out=out, images=len(lines), kept=kept / max(pixels, 1), skipped=skipped)


def _georeference(image: Path) -> Georeference | None:
    if image.suffix.lower() not in TIFF:
        return None
    with open_raster(image) as dataset:
        return Georeference.of(dataset)


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()
