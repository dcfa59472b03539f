"""What a trained CM-UNet is worth on a part of a data set: numbers, and pictures of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail.files import write_text
from vitrail.results import save_image
from vitrail_cmunet.data.opening import NATURAL_COLOURS, PALETTES, averaged_classes, open_cases
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_cmunet.train_config import DataConfig, DatasetName, Part
from vitrail_cmunet.tta import View, ViewsName, get_views, mean_logits
from vitrail_segmentation.metrics import ConfusionMatrix
from vitrail_segmentation.palettes import IGNORE
from vitrail_segmentation.render import compare_labels, rgb_preview
from vitrail_segmentation.samples import Case


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """What to measure on, and how.

    dataset: vaihingen, potsdam, loveda or landsat.
    root: the patches (vaihingen, potsdam) or the download (loveda); landsat needs none.
    part: train, validation or test; the test part of loveda is its Val folder.
    reverse: landsat: the parts of the mirrored direction.
    tta: views to average over: none, flips, dihedral, or the published ones, vaihingen, potsdam or loveda.
    pictures: how many images to draw, where there is a folder to write to.
    """

    dataset: DatasetName = "landsat"
    root: str = ""
    part: Part = "test"
    reverse: bool = False
    tta: ViewsName = "none"
    pictures: int = 4


def evaluate(
    component: CMUNetSegmenter, config: EvalConfig, *, out: Path | str | None = None
) -> dict[str, Any]:
    """Segment every image of a part and compare with its labels.

    Scores are over one confusion matrix of all labelled pixels. For Vaihingen and Potsdam the means leave
    clutter out, as the benchmark does; it stays in the accuracy and in the other classes' errors.

    out: a folder for report.json and pictures. Returns the report: plain numbers; "classes", a row for each class; and
    "confusion", true classes by predicted classes, in pixels.
    """
    palette = PALETTES[config.dataset]
    if component.classes != palette.classes:
        raise UsageError(
            f"{component.spec.id} knows {', '.join(component.classes)}; the classes of {config.dataset} are "
            f"{', '.join(palette.classes)}."
        )
    data = DataConfig(
        dataset=config.dataset,
        root=config.root,
        reverse=config.reverse,
        band_7=config.dataset == "landsat" and component.bands == 6,
    )
    matrix, drawn, views = ConfusionMatrix(palette.classes), 0, get_views(config.tta)
    for case in open_cases(data, config.part, component.config).cases():
        labels = predict(component, case.image, views)
        matrix.update(case.labels, labels)
        if out is not None and drawn < config.pictures:
            name = f"{case.name.replace(' ', '-')}.png"
            save_image(Path(out) / name, _picture(case, labels, config.dataset))
            drawn += 1
    report = _report(matrix, config)
    if out is not None:
        write_text(Path(out) / "report.json", json.dumps(report, indent=2) + "\n")
    return report


def predict(component: CMUNetSegmenter, image: NDArray[Any], views: tuple[View, ...]) -> NDArray[np.uint8]:
    """Labels (H, W) of an image (H, W, bands), from the mean of the logits of all views."""
    if len(views) == 1 and views[0] == View():
        return component.segment([image])[0].labels
    with torch.inference_mode():
        return (
            mean_logits(component.module, component.prepare([image]), views)[0]
            .argmax(dim=0)
            .byte()
            .cpu()
            .numpy()
        )


def _picture(case: Case, labels: NDArray[np.uint8], dataset: str) -> NDArray[np.uint8]:
    """The image, its labels and the prediction, both white where there is no label."""
    image = rgb_preview(case.image, order=NATURAL_COLOURS[dataset])
    known = np.where(case.labels == IGNORE, IGNORE, labels)
    return compare_labels({"image": image}, {"labels": case.labels, "prediction": known}, PALETTES[dataset])


def _report(matrix: ConfusionMatrix, config: EvalConfig) -> dict[str, Any]:
    averaged = averaged_classes(config.dataset)
    scores = matrix.as_dict(averaged)
    common = [name for name in matrix.classes_above(500) if name in averaged]
    rows: Mapping[str, Any] = {
        true: dict(zip((*matrix.classes, "no label"), counts, strict=True))
        for true, counts in zip(matrix.classes, scores.pop("counts"), strict=True)
    }
    if not matrix.counts[:, -1].any():
        for row in rows.values():
            del row["no label"]
    return {
        "dataset": config.dataset,
        "part": config.part + (" (reverse)" if config.reverse else ""),
        "tta": config.tta,
        "oa": scores["oa"],
        "miou": scores["miou"],
        "miou_over_500_pixels": matrix.miou(common) if common else None,
        "mf1": scores["mf1"],
        "mean_over": ", ".join(scores["mean_over"]),
        "pixels": scores["pixels"],
        "classes": scores["classes"],
        "confusion": rows,
    }
