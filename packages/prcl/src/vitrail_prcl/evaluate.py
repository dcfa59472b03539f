"""What a trained PRCL is worth on labelled images: numbers, and pictures of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail.results import save_image
from vitrail_prcl.data.crops import PictureCrops
from vitrail_prcl.data.masks import named_palette
from vitrail_prcl.data.training_set import open_labelled
from vitrail_prcl.measuring import TILE, measure_image
from vitrail_prcl.segmenter import Measured, PRCLSegmenter
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.calibration import Calibration, ErrorRanking
from vitrail_segmentation.landsat import load_landsat, part_of
from vitrail_segmentation.maps import heat
from vitrail_segmentation.metrics import ConfusionMatrix
from vitrail_segmentation.palettes import IGNORE, Palette
from vitrail_segmentation.render import compare_labels, rgb_preview
from vitrail_segmentation.samples import Case


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """What to measure on, and how.

    data: a folder with images/ and masks/, a list of labelled images, or "landsat", a scene that comes with a package.
    root: the folder that such a list is about.
    part: landsat: train, validation or test. reverse: landsat: the parts of the mirrored direction.
    tile: larger images are cut into overlapping tiles of this side.
    pictures: how many images to draw, where there is a folder to write to.
    """

    data: str = "landsat"
    root: str = ""
    part: Literal["train", "validation", "test"] = "test"
    reverse: bool = False
    tile: int = TILE
    pictures: int = 4


def evaluate(
    component: PRCLSegmenter, config: EvalConfig, *, out: Path | str | None = None
) -> dict[str, Any]:
    """Label every image and compare with its labels, over one confusion matrix of all labelled pixels.

    Beside IoU and accuracy: the expected calibration error of the probabilities, and how well errors are found, by the
    probability and by the variance (the area under the ROC curve: 0.5 is chance). out: a folder for pictures.
    Returns the report, plain numbers; "classes", a row for each class, and "reliability", a row for each bin.
    """
    palette = palette_of(component)
    matrix, calibration = ConfusionMatrix(component.classes), Calibration()
    by_confidence, by_uncertainty = ErrorRanking(), ErrorRanking()
    for number, case in enumerate(_cases(component, config, palette)):
        found = measure_image(component, case.image, tile=config.tile)
        matrix.update(case.labels, found.labels)
        calibration.update(case.labels, found.labels, found.confidence)
        by_confidence.update(case.labels, found.labels, 1 - found.confidence)
        by_uncertainty.update(case.labels, found.labels, found.uncertainty)
        if out is not None and number < config.pictures:
            name = f"{case.name.replace(' ', '-').replace('/', '-')}.png"
            save_image(Path(out) / name, _picture(case, found, palette, config))
    scores = matrix.as_dict()
    common = matrix.classes_above(500)
    return {
        "data": config.data,
        "oa": scores["oa"],
        "miou": scores["miou"],
        "miou_over_500_pixels": matrix.miou(common) if common else None,
        "mf1": scores["mf1"],
        "calibration_error": calibration.error,
        "errors_found_by_confidence": by_confidence.auroc,
        "errors_found_by_uncertainty": by_uncertainty.auroc,
        "pixels": scores["pixels"],
        "classes": scores["classes"],
        "reliability": {f"{row['from']:.2f} to {row['to']:.2f}": row for row in calibration.rows()},
    }


def palette_of(component: PRCLSegmenter) -> Palette:
    """The component's classes in its own colours, or in distinct ones."""
    if not component.config.palette:
        return named_palette(component.classes)
    return Palette(name="own", classes=component.classes, colours=component.config.palette)


def _cases(component: PRCLSegmenter, config: EvalConfig, palette: Palette) -> Iterator[Case]:
    model = component.config
    if config.data == "landsat":
        scene = load_landsat()
        _require_same(component, scene.palette.classes, len(scene.bands))
        yield part_of(scene, config.part, "reverse" if config.reverse else "forward").case(model.mean)
        return
    pictures = open_labelled(config.data, config.root, palette=palette)
    _require_same(component, pictures.classes, model.bands)
    still = AugmentConfig(mosaic=0.0)
    yield from PictureCrops(pictures, mean=model.mean, std=model.std, augment=still).cases()


def _require_same(component: PRCLSegmenter, classes: tuple[str, ...], bands: int) -> None:
    if component.classes != classes:
        raise UsageError(
            f"{component.spec.id} knows {', '.join(component.classes)}; the data have {', '.join(classes)}."
        )
    if component.bands != bands:
        raise UsageError(f"{component.spec.id} wants {component.bands} bands; the data have {bands}.")


def _picture(case: Case, found: Measured, palette: Palette, config: EvalConfig) -> NDArray[np.uint8]:
    """The image, its labels, those that were found and how uncertain they are; white where there is no label."""
    order = (2, 1, 0) if config.data == "landsat" else None
    panels = {"image": rgb_preview(case.image, order=order)}
    known = np.where(case.labels == IGNORE, IGNORE, found.labels)
    labels = {"labels": case.labels, "prediction": known}
    high = float(np.quantile(found.uncertainty, 0.99))
    panels["uncertainty"] = heat(found.uncertainty, low=float(found.uncertainty.min()), high=high)
    return compare_labels(panels, labels, palette)
