"""The claims of TransFace's abstract, tried at small scale.

    python packages/recognition/tools/make_people.py DIR/train --identities 400 --each 25
    python packages/recognition/tools/make_people.py DIR/test --identities 100 --each 10 --first 400
    python packages/transface/benchmarks/claims.py run DIR      # resumable; hours on two cores
    python packages/transface/benchmarks/claims.py report       # verdicts, and benchmarks/results/transface_claims.json

    vitrail avatars export people DIR/train --people 400 --views 25 --seed 1         # rendered people
    vitrail avatars export people DIR/test --people 100 --views 10 --seed 1 --first 400
    python packages/transface/benchmarks/claims.py run DIR --name rendered
    python packages/transface/benchmarks/claims.py report --name rendered

DIR/train and DIR/test are folders of identities, other ones in each: made-up heads or rendered people here, or others.
Every run trains a small ViT by `SETTINGS`, with seeds 0 to 4, paired: same seed, first weights and batches.
Fixed before the first of them:

1. "DPAP makes a ViT generalise better": DPAP beside none.
2. It matters that the patches are dominant ones: DPAP beside the same with patches drawn at random.
3. "EHSM makes better use of hard samples": EHSM beside none.
4. Both beside none.

Metric: true-accept rate at a false-accept rate of 0.001 over all pairs of DIR/test. Counts from 0.01.

Holds: the bootstrap 95 % interval of the paired difference lies above what counts; reversed: below its negative;
else undecided. Every run is a line of benchmarks/results/transface_claims_runs.jsonl.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from dpap import RESULTS
from torch import Tensor

from vitrail_recognition.training import fit_recognizer
from vitrail_recognition.training_config import MarginConfig
from vitrail_recognition.training_data import open_training_faces
from vitrail_recognition.verification.held_out import tar_on_all_pairs
from vitrail_training.claims import Claim, variants_main
from vitrail_training.config import FitConfig
from vitrail_transface.config import TOKENS, DPAPConfig, TransFaceConfig
from vitrail_transface.dpap import perturb
from vitrail_transface.plugin import TINY
from vitrail_transface.recognizer import TransFaceRecognizer
from vitrail_transface.train import TransFaceTask
from vitrail_transface.train_config import TrainConfig

SEEDS = range(5)
EFFECT = 0.01
SETTINGS = TrainConfig(
    margin=MarginConfig(margin=0.3, scale=32.0, gradient="straight_through"),
    model=TransFaceConfig(dim=48, depth=4, heads=4, embedding=64, gate_dim=48, drop_path=0.0),
    fit=FitConfig(
        steps=800,
        batch_size=64,
        lr=1e-3,
        weight_decay=0.05,
        schedule="cosine",
        warmup=80,
        clip_norm=5.0,
        eval_every=0,
        checkpoint_every=0,
        device="cpu",
    ),
)
NO_DPAP = DPAPConfig(probability=0.0)


class AnyPatches(TransFaceTask):
    """DPAP on patches drawn at random."""

    def perturbed(self, images: Tensor, step: int) -> Tensor:
        generator = self.generator(step)
        gates = torch.rand(len(images), TOKENS, generator=generator)
        return perturb(images, gates, config=self.options.dpap, generator=generator)


VARIANTS: dict[str, tuple[TrainConfig, type[TransFaceTask]]] = {
    "plain": (replace(SETTINGS, dpap=NO_DPAP, mining=False), TransFaceTask),
    "DPAP": (replace(SETTINGS, mining=False), TransFaceTask),
    "any patches": (replace(SETTINGS, mining=False), AnyPatches),
    "EHSM": (replace(SETTINGS, dpap=NO_DPAP), TransFaceTask),
    "both": (SETTINGS, TransFaceTask),
}
CLAIMS = {
    "1. DPAP beside none": ("DPAP", "plain"),
    "2. DPAP beside any patches": ("DPAP", "any patches"),
    "3. EHSM beside none": ("EHSM", "plain"),
    "4. both beside none": ("both", "plain"),
}


def settings(variant: str) -> dict[str, Any]:
    """What decides a run of a variant."""
    config, kind = VARIANTS[variant]
    return {**asdict(config), "task": kind.__name__}


def run(variant: str, seed: int, data: Path) -> dict[str, Any]:
    chosen, kind = VARIANTS[variant]
    config = replace(chosen, data=str(data / "train"), fit=replace(chosen.fit, seed=seed))
    component = TransFaceRecognizer.from_config(config.model, spec=TINY, device="cpu", seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        fit_recognizer(
            kind(component, open_training_faces(config), config), config.fit, out=Path(folder) / "run"
        )
    component.module.eval()
    return {"tar": tar_on_all_pairs(component, data / "test"), "steps": config.fit.steps}


def claims(keys: Mapping[str, Mapping[str, Any]]) -> dict[str, Claim]:
    return {
        name: Claim(metric="tar", with_it=keys[with_it], without=keys[without], effect=EFFECT)
        for name, (with_it, without) in CLAIMS.items()
    }


if __name__ == "__main__":
    variants_main(
        __doc__,
        RESULTS / "transface_claims.json",
        variants=list(VARIANTS),
        seeds=SEEDS,
        run=run,
        claims=claims,
        settings=settings,
    )
