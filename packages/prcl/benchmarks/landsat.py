"""PRCL and its rivals on the Landsat scene with few labels: one harness, one search budget, paired seeds.

    python packages/prcl/benchmarks/landsat.py search      # the trials of each method, scored on the western fifth
    python packages/prcl/benchmarks/landsat.py final       # the chosen ones, on test ground
    python packages/prcl/benchmarks/landsat.py report      # the table, and benchmarks/results/prcl_landsat.json

Labels are kept on a share of the training pixels, as blocks of 8 x 8 pixels drawn stratified by class; all of the
training ground is there without labels. A seed decides the blocks, the first weights and the batches, so that the
methods are compared pairwise. Every method has the same network, batches of labelled images, steps and number of
trials, and is judged by the average of its weights.

- search: 5 % of the labels of the western half without its outer fifth, scored on that fifth by accuracy plus mean IoU
  over the classes present there, as for CM-UNet. Seed 0 runs every trial, the three best have two more seeds, and the
  best mean of three is the choice. Nothing is chosen by any other ground.
- final: the whole western half, tested on the eastern one; 5 % with five seeds, 2 % and 10 % with three.

Every run is a line of benchmarks/results/prcl_landsat_runs.jsonl; runs that are there already are not repeated. With
OMP_NUM_THREADS=1 several processes can work side by side, each with methods of its own.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vitrail_prcl.data.training_set import open_training_set
from vitrail_prcl.plugin import LANDSAT
from vitrail_prcl.presets import landsat
from vitrail_prcl.segmenter import PRCLSegmenter
from vitrail_prcl.task import PRCLTask
from vitrail_prcl.train_config import TrainConfig
from vitrail_segmentation.calibration import Calibration, ErrorRanking
from vitrail_segmentation.landsat import load_landsat, part_of
from vitrail_segmentation.metrics import ConfusionMatrix
from vitrail_training.claims import Runs
from vitrail_training.loop import fit

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"
RUNS = Runs(RESULTS / "prcl_landsat_runs.jsonl")

SUPERVISED = {"semi.method": "none", "contrast.weight": 0.0}
TEACHER = {"semi.method": "mean-teacher", "contrast.weight": 0.0}
FIXMATCH = {"semi.method": "fixmatch", "semi.threshold": 0.95, "contrast.weight": 0.0}
METHODS: dict[str, dict[str, Any]] = {
    "supervised": SUPERVISED,
    "mean teacher": TEACHER,
    "consistency": FIXMATCH,
    "mean teacher + PRCL": TEACHER | {"contrast.weight": 1.0},
    "consistency + PRCL": FIXMATCH | {"contrast.weight": 1.0},
}


def with_values(config: Any, values: dict[str, Any]) -> Any:
    """A config with fields changed, by their names as flags have them: {"fit.lr": 1e-3}."""
    for name, value in values.items():
        part, _, field = name.partition(".")
        if field:
            config = replace(config, **{part: with_values(getattr(config, part), {field: value})})
        else:
            config = replace(config, **{part: value})
    return config


def as_config(values: dict[str, Any], *, seed: int, share: float, final: bool) -> TrainConfig:
    start = landsat()
    config = with_values(start, values)
    return replace(
        config,
        data=replace(config.data, share=share, blocks_seed=seed, whole_half=final),
        fit=replace(config.fit, seed=seed, eval_every=0, checkpoint_every=0, best_metric="", log_every=100),
    )


def measure(config: TrainConfig, *, final: bool) -> dict[str, Any]:
    """Train and score: on the validation part, or where `final` on the test half."""
    began = time.monotonic()
    data = open_training_set(config)
    component = PRCLSegmenter.from_config(data.model, spec=LANDSAT, device="cpu", seed=config.fit.seed)
    task = PRCLTask(component, data, config)
    task.evaluate = lambda model: {}
    with tempfile.TemporaryDirectory() as folder:
        fit(task, config.fit, out=Path(folder) / "run")
    part = part_of(load_landsat(), "test" if final else "validation")
    found = task.finished.measure([part.case(data.model.mean).image])[0]
    matrix, calibration = ConfusionMatrix(component.classes), Calibration()
    by_confidence, by_uncertainty = ErrorRanking(), ErrorRanking()
    matrix.update(part.labels, found.labels)
    calibration.update(part.labels, found.labels, found.confidence)
    by_confidence.update(part.labels, found.labels, 1 - found.confidence)
    by_uncertainty.update(part.labels, found.labels, found.uncertainty)
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
        "labelled_pixels": int((data.labeled.scene.labels != 255).sum()),
        "seconds": time.monotonic() - began,
    }
