"""Which unlabelled images to label next: those that the network is least sure of."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vitrail.errors import InputError, UsageError
from vitrail.files import write_text
from vitrail.results import Segmentation, save_image
from vitrail_prcl.data.pictures import Pictures
from vitrail_prcl.measuring import TILE, measure_image
from vitrail_prcl.segmenter import PRCLSegmenter
from vitrail_segmentation.maps import heat
from vitrail_segmentation.render import rgb_preview, side_by_side

By = Literal["uncertainty", "confidence"]


@dataclass(frozen=True)
class Ranked:
    """An image and how the network sees it.

    uncertainty: mean over its pixels of the variance of their representation, 0 to 1. confidence: mean of the largest
    probability. unsure: the share of its pixels with a confidence below 0.7.
    """

    image: str
    uncertainty: float
    confidence: float
    unsure: float


@dataclass(frozen=True)
class Ranking:
    """Images in the order to label them, and those that could not be read, with the reason. by: what orders them."""

    by: By
    images: tuple[Ranked, ...]
    skipped: dict[str, str]

    def save(self, path: Path) -> Path:
        """A CSV file, a line an image."""
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(Ranked.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in self.images)
        return write_text(path, text.getvalue())


def rank_images(
    segmenter: PRCLSegmenter,
    pictures: Pictures,
    *,
    by: By = "confidence",
    tile: int = TILE,
    track: Callable[[range], Iterable[int]] = iter,
) -> Ranking:
    """by: confidence, of the class, the lowest first; or uncertainty, of the representation, the highest first."""
    rows, skipped = [], {}
    for index in track(range(len(pictures))):
        item = pictures.items[index]
        try:
            found = measure_image(segmenter, pictures.read(index)[0], tile=tile)
        except InputError as error:
            skipped[item.name] = str(error)
            continue
        rows.append(
            Ranked(
                image=str(item.image),
                uncertainty=float(found.uncertainty.mean(dtype=np.float64)),
                confidence=float(found.confidence.mean(dtype=np.float64)),
                unsure=float((found.confidence < 0.7).mean()),
            )
        )
    if not rows:
        raise UsageError(f"none of the {len(pictures)} images can be used; {next(iter(skipped.values()))}")
    doubt = {"uncertainty": lambda row: -row.uncertainty, "confidence": lambda row: row.confidence}[by]
    return Ranking(by=by, images=tuple(sorted(rows, key=doubt)), skipped=skipped)


def draw_ranking(
    segmenter: PRCLSegmenter,
    pictures: Pictures,
    ranking: Ranking,
    path: Path,
    *,
    count: int = 4,
    tile: int = TILE,
) -> Path:
    """A picture of the first `count` images: as they are, as they are labelled, and the doubt about each pixel.

    The doubt is what the images are ordered by: 1 - confidence, up to 0.5, or the uncertainty, up to half as much again
    as the most uncertain image has on average.
    """
    most = 1.5 * max(row.uncertainty for row in ranking.images)
    by_file = {str(item.image): index for index, item in enumerate(pictures.items)}
    rows = []
    for row in ranking.images[:count]:
        image = pictures.read(by_file[row.image])[0]
        found = measure_image(segmenter, image, tile=tile)
        labels = Segmentation(
            labels=found.labels, classes=segmenter.classes, palette=np.array(segmenter.config.palette, np.uint8)
            if segmenter.config.palette else None
        )  # fmt: skip
        doubt = {
            "confidence": ("1 - confidence", heat(1 - found.confidence, high=0.5)),
            "uncertainty": ("uncertainty", heat(found.uncertainty, high=most)),
        }[ranking.by]
        panels = {
            f"{Path(row.image).name}: {ranking.by} {getattr(row, ranking.by):.3f}": rgb_preview(image),
            "labels": labels.picture(),
            doubt[0]: doubt[1],
        }
        rows.append(side_by_side(panels, labels))
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 12), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    return save_image(path, np.concatenate(padded))
