"""The claims of PRCL's abstracts, tried at small scale.

    python packages/prcl/benchmarks/claims.py run          # resumable; an hour on two cores
    python packages/prcl/benchmarks/claims.py report       # verdicts, and benchmarks/results/prcl_claims.json

Fixed before the first run; the settings were found with seeds from 100 on. Textured discs (`textures.py`), three
labelled pictures and 96 without labels; a small network, `SETTINGS`, mean teacher with ClassMix. Seeds 0 to 4, paired:
same pictures, first weights and batches. Metric: mean IoU of the averaged weights on 64 other pictures; counts from
0.01.

1. "Probabilistic representations make prototypes robust to wrong pseudo-labels." In every step, of the teacher's labels
   a share of 0.3, in whole blocks of 8 x 8 pixels, are replaced by those of another class, as sure as they were.
   a. Precision-weighted prototypes beside plain means. b. The same for how near a class's prototype from labels with
   that noise comes to the one from the true labels, on pictures not trained on: minus the logarithm of the mean of
   1 - cosine over the classes; counts from 0.1. What the variance knows (the area under the ROC curve of wrong
   labels against right ones) is reported beside it, without a verdict.
2. "Global Distribution Prototypes stand noisy steps." In every fourth step the classes of all the teacher's labels are
   shuffled. Global prototypes beside those of each batch.
3. "Virtual Negatives help." Four of each other class beside none, without noise.
4. Not in the abstracts, but what all of it stands on: the contrastive loss beside none, without noise; and the mean
   teacher, without the contrastive loss, beside labels alone.

Holds: the bootstrap 95 % interval of the paired difference lies above what counts; reversed: below its negative; else
undecided. Every run is a line of benchmarks/results/prcl_claims_runs.jsonl.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scene_runs import RESULTS, with_values
from textures import CLASSES, LABELED, SIDE, TEST, UNLABELED, Textures
from torch import Tensor

from vitrail_prcl.config import PRCLConfig
from vitrail_prcl.data.training_set import TrainingSet
from vitrail_prcl.plugin import LANDSAT
from vitrail_prcl.prototypes import batch_naturals
from vitrail_prcl.segmenter import PRCLSegmenter
from vitrail_prcl.task import PRCLTask
from vitrail_prcl.train_config import (
    ContrastConfig,
    OptimizerConfig,
    StrongConfig,
    TrainConfig,
    UnlabeledConfig,
)
from vitrail_segmentation.calibration import ErrorRanking
from vitrail_segmentation.metrics import ConfusionMatrix
from vitrail_training.claims import Claim, Runs, hash_of, judge_all, write_verdicts
from vitrail_training.config import FitConfig
from vitrail_training.draws import generator_for
from vitrail_training.kernels.timing import machine
from vitrail_training.loop import fit

RUNS = Runs(RESULTS / "prcl_claims_runs.jsonl")
SEEDS = range(5)
IOU_EFFECT, NEARNESS_EFFECT = 0.01, 0.1
NOISE, BLOCK, EVERY = 0.3, 8, 4
SETTINGS = TrainConfig(
    strong=StrongConfig(brightness=0.3, contrast=0.3, blur_probability=0.0, noise=0.1),
    semi=UnlabeledConfig(threshold=0.95, decay=0.95, ramp=300),
    contrast=ContrastConfig(weight=0.3, anchors=64, negatives=128),
    optimizer=OptimizerConfig(variance_lr=1.0),
    model=PRCLConfig(
        classes=CLASSES,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        dtypes=("float32",),
        backbone="test_resnet",
        width=32,
        low_width=16,
        embedding=32,
        zoom=2,
    ),
    fit=FitConfig(
        steps=300, batch_size=8, lr=3e-3, weight_decay=0.05, warmup=20, checkpoint_every=0, device="cpu"
    ),
)


class Clean(PRCLTask):
    pass


class WrongBlocks(PRCLTask):
    """A share of the teacher's labels, in blocks, is of another class."""

    def _labelled_by(self, images: Tensor) -> tuple[Tensor, Tensor]:
        labels, confidence = super()._labelled_by(images)
        return wrong_blocks(labels, generator_for(torch.device("cpu"), self.teacher.steps)), confidence


class WrongSteps(PRCLTask):
    """In every fourth step the classes of all labels of the teacher are shuffled."""

    def _labelled_by(self, images: Tensor) -> tuple[Tensor, Tensor]:
        labels, confidence = super()._labelled_by(images)
        if self.teacher.steps % EVERY == EVERY - 1:
            generator = generator_for(torch.device("cpu"), self.teacher.steps)
            labels = torch.randperm(len(CLASSES), generator=generator)[labels]
        return labels, confidence


def wrong_blocks(labels: Tensor, generator: torch.Generator) -> Tensor:
    """(B, H, W) with other classes on a share NOISE of its blocks."""
    across = labels.shape[-1] // BLOCK
    shape = (len(labels), across, across)
    chosen = torch.rand(shape, generator=generator) < NOISE
    shift = torch.randint(1, len(CLASSES), shape, generator=generator) * chosen
    return (labels + shift.repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)) % len(CLASSES)


VARIANTS: dict[str, tuple[dict[str, Any], type[PRCLTask]]] = {
    "PRCL": ({}, Clean),
    "mean teacher": ({"contrast.weight": 0.0}, Clean),
    "labels alone": ({"contrast.weight": 0.0, "semi.method": "none"}, Clean),
    "no virtual negatives": ({"contrast.virtual": 0}, Clean),
    "wrong blocks, precision": ({}, WrongBlocks),
    "wrong blocks, plain means": ({"contrast.weighting": "plain"}, WrongBlocks),
    "wrong steps, global": ({}, WrongSteps),
    "wrong steps, batch": ({"contrast.prototypes": "batch"}, WrongSteps),
}
CLAIMS = {
    "1a. precision beside plain means, wrong labels": (
        "miou",
        "wrong blocks, precision",
        "wrong blocks, plain means",
    ),
    "1b. the same, nearness of prototypes": (
        "nearness",
        "wrong blocks, precision",
        "wrong blocks, plain means",
    ),
    "2. global beside batch prototypes, wrong steps": ("miou", "wrong steps, global", "wrong steps, batch"),
    "3. virtual negatives beside none": ("miou", "PRCL", "no virtual negatives"),
    "4a. the contrastive loss beside none": ("miou", "PRCL", "mean teacher"),
    "4b. the mean teacher beside labels alone": ("miou", "mean teacher", "labels alone"),
}


def config_of(variant: str) -> TrainConfig:
    return with_values(SETTINGS, VARIANTS[variant][0])


def run(variant: str, seed: int) -> dict[str, Any]:
    config = config_of(variant)
    config = replace(config, fit=replace(config.fit, seed=seed))
    data = TrainingSet(
        labeled=Textures(seed, 0, LABELED, labelled=True),
        unlabeled=Textures(seed, LABELED, UNLABELED, labelled=False),
        validation=None,
        model=config.model,
    )
    component = PRCLSegmenter.from_config(config.model, spec=LANDSAT, device="cpu", seed=seed)
    task = VARIANTS[variant][1](component, data, config)
    task.evaluate = lambda model: {}
    with tempfile.TemporaryDirectory() as folder:
        fit(task, config.fit, out=Path(folder) / "run")
    matrix = ConfusionMatrix(CLASSES)
    cases = list(Textures(seed, LABELED + UNLABELED, TEST, labelled=True).cases())
    found = task.finished.measure([case.image for case in cases])
    errors = ErrorRanking()
    for case, one in zip(cases, found, strict=True):
        matrix.update(case.labels, one.labels)
        errors.update(case.labels, one.labels, one.uncertainty)
    return {
        "miou": matrix.miou(),
        "oa": matrix.oa,
        "errors_by_uncertainty": errors.auroc,
        **prototypes_under_noise(task, cases),
        "steps": config.fit.steps,
    }


@torch.inference_mode()
def prototypes_under_noise(task: PRCLTask, cases: list) -> dict[str, float]:
    """How near prototypes from labels with wrong blocks come to those from the true ones, weighted as the run weighs
    them; and whether the variance of a pixel tells that its label is wrong."""
    network = task.finished.module.eval()
    out = network.represent(task.finished.prepare([case.image for case in cases]))
    true = torch.from_numpy(np.stack([case.labels for case in cases])).long()
    noisy = wrong_blocks(true, generator_for(torch.device("cpu"), 0))
    step = SIDE // out.mean.shape[-1]
    true, noisy = (labels[:, ::step, ::step].flatten() for labels in (true, noisy))
    mean, variance = (x.permute(0, 2, 3, 1).flatten(0, 2) for x in (out.mean, out.variance))
    variance = variance.clamp_min(task.config.contrast.floor)
    weights = torch.ones_like(variance) if task.config.contrast.weighting == "plain" else variance
    of = [batch_naturals(mean, weights, labels, len(CLASSES)).prototypes().mean for labels in (true, noisy)]
    apart = 1 - torch.cosine_similarity(*of, dim=1)
    doubt, wrong = variance.mean(dim=1), true != noisy
    rank = doubt.argsort().argsort().double()
    count = wrong.sum().double()
    auroc = (rank[wrong].sum() - count * (count - 1) / 2) / (count * (len(rank) - count))
    return {
        "nearness": -float(apart.mean().log()),
        "variance_knows": float(auroc),
        "variance": float(variance.mean()),
    }


def keys() -> dict[str, dict[str, Any]]:
    """What the lines of each variant have."""
    return {
        variant: {
            "variant": variant,
            "settings": hash_of(
                {**asdict(config_of(variant)), "task": kind.__name__, "noise": (NOISE, BLOCK, EVERY)}
            ),
        }
        for variant, (_, kind) in VARIANTS.items()
    }


def report() -> None:
    of = keys()
    claims = {
        name: Claim(
            metric=metric,
            with_it=of[with_it],
            without=of[without],
            effect=IOU_EFFECT if metric == "miou" else NEARNESS_EFFECT,
        )
        for name, (metric, with_it, without) in CLAIMS.items()
    }
    verdicts = judge_all(RUNS, claims, SEEDS)
    write_verdicts(RESULTS / "prcl_claims.json", verdicts, {"reported_on": machine(), "runs": list(RUNS)})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    arguments = parser.parse_args()
    if arguments.what == "report":
        report()
        return
    for seed in arguments.seeds:
        for variant, key in keys().items():
            print(RUNS.once({**key, "seed": seed}, lambda v=variant, n=seed: run(v, n)), flush=True)


if __name__ == "__main__":
    main()
