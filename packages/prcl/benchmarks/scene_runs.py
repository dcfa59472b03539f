"""What the benchmarks on one scene share: a run with some settings changed, and its scores."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vitrail_prcl.data.training_set import open_training_set
from vitrail_prcl.plugin import LANDSAT
from vitrail_prcl.segmenter import PRCLSegmenter
from vitrail_prcl.task import PRCLTask
from vitrail_prcl.train_config import TrainConfig
from vitrail_segmentation.calibration import Calibration, ErrorRanking
from vitrail_segmentation.labelled_scene import LabelledScene
from vitrail_segmentation.metrics import ConfusionMatrix
from vitrail_segmentation.palettes import IGNORE
from vitrail_training.loop import fit

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"
STARTS: dict[str, dict[str, Any]] = {
    "supervised": {"semi.method": "none", "contrast.weight": 0.0},
    "mean teacher": {"semi.method": "mean-teacher", "contrast.weight": 0.0},
    "consistency": {"semi.method": "fixmatch", "contrast.weight": 0.0},
}
METHODS = (*STARTS, "mean teacher + PRCL", "consistency + PRCL")


def with_values(config: Any, values: dict[str, Any]) -> Any:
    """A config with fields changed, by their names as flags have them: {"fit.lr": 1e-3}."""
    for name, value in values.items():
        part, _, field = name.partition(".")
        if field:
            config = replace(config, **{part: with_values(getattr(config, part), {field: value})})
        else:
            config = replace(config, **{part: value})
    return config


def train_and_score(config: TrainConfig, test: LabelledScene) -> dict[str, Any]:
    """Train without looking at anything on the way, and score the averaged weights on the labels of `test`."""
    began = time.monotonic()
    config = with_values(
        config, {"fit.eval_every": 0, "fit.checkpoint_every": 0, "fit.best_metric": "", "fit.log_every": 100}
    )
    data = open_training_set(config)
    component = PRCLSegmenter.from_config(data.model, spec=LANDSAT, device="cpu", seed=config.fit.seed)
    task = PRCLTask(component, data, config)
    task.evaluate = lambda model: {}
    with tempfile.TemporaryDirectory() as folder:
        fit(task, config.fit, out=Path(folder) / "run")
    found = task.finished.measure([test.case(data.model.mean).image])[0]
    matrix, calibration = ConfusionMatrix(component.classes), Calibration()
    by_confidence, by_uncertainty = ErrorRanking(), ErrorRanking()
    matrix.update(test.labels, found.labels)
    calibration.update(test.labels, found.labels, found.confidence)
    by_confidence.update(test.labels, found.labels, 1 - found.confidence)
    by_uncertainty.update(test.labels, found.labels, found.uncertainty)
    return {
        "oa": matrix.oa,
        "miou": matrix.miou(),
        "miou_present": matrix.miou(matrix.classes_above(0)),
        "miou_over_500": matrix.miou(matrix.classes_above(500)),
        "iou": {name: float(np.nan_to_num(v)) for name, v in zip(matrix.classes, matrix.iou, strict=True)},
        "calibration_error": calibration.error,
        "errors_by_confidence": by_confidence.auroc,
        "errors_by_uncertainty": by_uncertainty.auroc,
        "uncertainty": float(found.uncertainty.mean()),
        "labelled_pixels": int((data.labeled.scene.labels != IGNORE).sum()),
        "seconds": time.monotonic() - began,
    }


def row_of(lines: list[dict[str, Any]], scores: tuple[str, ...]) -> dict[str, Any]:
    """Means of several seeds' runs, and the spread of `scores`."""
    values = {name: np.array([line[name] for line in lines]) for name in scores}
    others = ("calibration_error", "errors_by_confidence", "errors_by_uncertainty")
    return {
        "seeds": len(lines),
        **{name: float(value.mean()) for name, value in values.items()},
        **{f"{name}_std": float(value.std(ddof=1)) for name, value in values.items()},
        "iou": {name: float(np.mean([line["iou"][name] for line in lines])) for name in lines[0]["iou"]},
        **{name: float(np.mean([line[name] for line in lines])) for name in others},
    }
