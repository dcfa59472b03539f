"""What the tests of a recogniser's training need: made-up people, and whether two processes train as one does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

import vitrail
from vitrail.loading import default_weights
from vitrail.specs import ComponentSpec
from vitrail_recognition.training_config import FaceDataConfig
from vitrail_recognition.verification.roc import roc_curve
from vitrail_training.config import FitConfig
from vitrail_training.testing import assert_same_run, run_script
from vitrail_training.tracking import read_metrics

SIDE = 112


def make_people(root: Path, identities: int = 4, each: int = 4, *, seed: int = 0, first: int = 0) -> Path:
    """Write a folder of identities, `root`/personNN/MM.png, 112 x 112: a smooth random picture each, moved, brightened
    and with noise on it; pictures `first`, `first` + 1, ... of everybody. Returns `root`."""
    for person in range(identities):
        coarse = np.random.default_rng((seed, person)).integers(0, 256, (7, 7, 3)).astype(np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC), float)
        folder = root / f"person{person:02d}"
        folder.mkdir(parents=True)
        for number in range(first, first + each):
            rng = np.random.default_rng((seed, person, number))
            shifted = np.roll(smooth, rng.integers(-4, 5, 2), axis=(0, 1))
            noisy = shifted * rng.uniform(0.7, 1.2) + rng.normal(0, 25, smooth.shape)
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number:02d}.png")
    return root


class Ended(NamedTuple):
    """What a run left: weights and class centres by name, the loss of each step, the last evaluation."""

    weights: dict[str, Tensor]
    losses: list[float]
    evaluation: dict[str, Any]


def check_two_processes_equal_one(script: Path, folder: Path, *, tolerance: float = 1e-5) -> Ended:
    """Run `script DATA OUT VERIFY VERIFY` alone and by torchrun in two gloo processes, and compare how they end.

    script: trains a few steps with `fit_recognizer`, logging each, without what is drawn or normalised in each process
        by itself, and verifies on the two sets. folder: an empty one to work in.

    AssertionError where weights, centres or losses differ by more than `tolerance`, or the evaluation by 0.001. Five
    identities, so that the centres are not shared out evenly. Returns the run alone.
    """
    people = make_people(folder / "people", identities=5)
    other = make_people(folder / "other", identities=3, seed=1)
    alone, together = (_run(script, folder / str(n), people, other, processes=n) for n in (1, 2))
    assert alone.weights.keys() == together.weights.keys()
    for name, value in alone.weights.items():
        off = (value.double() - together.weights[name].double()).abs().max()
        assert off < tolerance, f"{name} differs by {off:.1e}"
    np.testing.assert_allclose(together.losses, alone.losses, rtol=0, atol=tolerance)
    assert alone.losses[0] != alone.losses[-1], "nothing was learnt"
    assert together.evaluation.keys() >= {"people/accuracy", "other/accuracy", "accuracy"}
    assert together.evaluation.keys() == alone.evaluation.keys()
    for name, value in alone.evaluation.items():
        assert abs(together.evaluation[name] - value) < 1e-3, (
            f"{name}: {together.evaluation[name]} and {value}"
        )
    return alone


def check_two_processes_resume(script: Path, folder: Path) -> Ended:
    """Run `script DATA OUT STEPS` in two gloo processes for four steps, and for two and then four, and compare.

    script: trains with `resume="auto"`, the whole method on. AssertionError where the two runs differ in a bit, or
    nothing was learnt. Returns the first.
    """
    people = make_people(folder / "people", identities=5)
    for out, steps in (("whole", 4), ("parts", 2), ("parts", 4)):
        run_script(script, people, folder / out, steps, processes=2)
    assert_same_run(folder / "whole", folder / "parts")
    centres = [load_file(folder / out / "centres.safetensors")["weight"] for out in ("whole", "parts")]
    assert centres[0].equal(centres[1]), "the class centres differ"
    ended = _ended(folder / "whole")
    assert ended.losses[0] != ended.losses[-1], "nothing was learnt"
    return ended


def train_in_steps(train: Callable[..., Any], config: FaceDataConfig) -> None:
    """What a script of `check_two_processes_resume` does with DATA OUT STEPS: `train` by `config`, small and short."""
    data, out, steps = sys.argv[1:]
    torch.set_num_threads(1)
    fit = FitConfig(
        steps=int(steps),
        batch_size=8,
        lr=0.01,
        schedule="constant",
        log_every=1,
        checkpoint_every=2,
        device="cpu",
    )
    margin = replace(config.margin, scale=8.0)
    train(replace(config, data=data, margin=margin, fit=fit), out=Path(out), resume="auto")


def check_demo_weights(spec: ComponentSpec, heads: Path) -> None:
    """The weights inside a package: small, with a card, said not to be for real faces, and trained.

    heads: a picture of crops that they were not trained on, a row for each identity: six pictures of each of the ten
    people that `vitrail avatars export people DIR --people 10 --views 8 --seed 1 --first 5000` draws. AssertionError
    where the AUC over all pairs is not above 0.98, or that of untrained weights not below 0.8.
    """
    folder = default_weights(spec)
    assert folder is not None, f"{spec.id} has no weights inside"
    assert (folder / "model.safetensors").stat().st_size < 4e6
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "not for real faces" in spec.weights_caveat
    assert "not for real faces" in card
    with Image.open(heads) as opened:
        sheet = np.asarray(opened.convert("RGB"))
    rows, columns = sheet.shape[0] // SIDE, sheet.shape[1] // SIDE
    crops = sheet.reshape(rows, SIDE, columns, SIDE, 3).swapaxes(1, 2).reshape(-1, SIDE, SIDE, 3)
    first, second = np.triu_indices(len(crops), 1)

    def auc(weights: str | None) -> float:
        vectors = vitrail.load(spec.id, weights=weights, device="cpu").embed(list(crops)).vectors
        cosines = np.einsum("pd,pd->p", vectors[first], vectors[second])
        return roc_curve(cosines, first // columns == second // columns).auc

    assert auc("random") < 0.8, "these heads are told apart without any training"
    assert auc(None) > 0.98


def _run(script: Path, out: Path, people: Path, other: Path, *, processes: int) -> Ended:
    run_script(script, people, out, people, other, processes=processes)
    return _ended(out)


def _ended(out: Path) -> Ended:
    weights = {**load_file(out / "final" / "model.safetensors"), **load_file(out / "centres.safetensors")}
    lines = read_metrics(out)
    return Ended(weights, [line["loss"] for line in lines if "loss" in line], lines[-1].get("evaluation", {}))
