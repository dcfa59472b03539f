"""A timed step does what a step of `fit` does; otherwise the ratios would be of something else."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from vitrail_recognition.loss import MarginSoftmax
from vitrail_recognition.margins import ArcFace
from vitrail_recognition.step_timing import MadeUpClasses, compare_steps, make_step, random_faces, steps_main
from vitrail_recognition.task import MarginTask
from vitrail_training.config import FitConfig
from vitrail_training.loop import fit

FIT = FitConfig(
    steps=3, batch_size=4, lr=0.01, schedule="constant", clip_norm=0.5, device="cpu", checkpoint_every=0
)


class OneBatch:
    """Every sample is the same, so that every batch is."""

    classes = 5

    def __len__(self):
        return 16

    def sample(self, index, rng):
        return {"image": np.linspace(-1, 1, 6, dtype=np.float32), "label": 3}


class Faces(MarginTask):
    def __init__(self):
        torch.manual_seed(0)
        super().__init__(nn.Linear(6, 8), OneBatch(), lambda: MarginSoftmax(5, 8, margin=ArcFace(scale=8.0)))

    def loss(self, model, batch, step):
        return self.head(model(batch["image"]), batch["label"])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_its_steps_are_those_of_fit(tmp_path, precision):
    config = FitConfig(**{**vars(FIT), "precision": precision})
    trained, timed = Faces(), Faces()
    fit(trained, config, out=tmp_path / "run")
    step = make_step(
        timed, config, timed.collate([OneBatch().sample(i, None) for i in range(4)]), torch.device("cpu")
    )
    for _ in range(3):
        step()
    pairs = [
        *zip(trained.model.parameters(), timed.model.parameters(), strict=True),
        (trained.head.classifier.weight, timed.head.classifier.weight),
    ]
    for ours, theirs in pairs:
        assert torch.equal(ours, theirs)


def test_tasks_are_timed_in_turns():
    tasks = {"plain": Faces(), "other": Faces()}
    batch = {"image": torch.randn(4, 6), "label": torch.arange(4)}
    found = compare_steps(tasks, FIT, batch, base="plain", rounds=2, device="cpu")
    assert found["plain"].rounds == 2
    assert found["over_plain"]["plain"] == 1
    assert found["over_plain"]["other"] > 0


def test_the_batch_is_made(recwarn):
    batch = random_faces(3, 7, "cpu")
    assert batch["image"].shape == (3, 3, 112, 112)
    assert batch["image"].abs().max() <= 1
    assert batch["label"].max() < 7
    with pytest.raises(TypeError, match="no samples"):
        len(MadeUpClasses(7))


class Pixels(MarginTask):
    def __init__(self, classes):
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 112 * 112, 8))
        super().__init__(model, MadeUpClasses(classes), lambda: MarginSoftmax(classes, 8))

    def loss(self, model, batch, step):
        return self.head(model(batch["image"]), batch["label"])


def test_the_command_line_writes_a_record(tmp_path, monkeypatch, capsys):
    words = ["--batch", "2", "--classes", "9", "--rounds", "1", "--network", "b"]
    monkeypatch.setattr("sys.argv", ["step.py", *words])
    steps_main(
        "What it is.",
        tmp_path / "some_step.json",
        networks=("a", "b"),
        lr=0.1,
        weight_decay=0.0,
        make_tasks=lambda network, classes, config, device: {
            "plain": Pixels(classes),
            "ours": Pixels(classes),
        },
    )
    record = json.loads((tmp_path / "some_step_cpu.json").read_text())
    assert (record["network"], record["batch"], record["classes"], record["precision"]) == ("b", 2, 9, "fp32")
    assert record["over_plain"]["plain"] == 1
    assert "x plain" in capsys.readouterr().out
