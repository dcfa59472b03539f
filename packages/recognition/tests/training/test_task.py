"""MarginTask in the training loop: it learns, and a killed run resumes bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from vitrail.errors import UsageError
from vitrail_recognition.loss import MarginSoftmax
from vitrail_recognition.margins import ArcFace
from vitrail_recognition.task import MarginTask
from vitrail_training.config import FitConfig
from vitrail_training.loop import fit
from vitrail_training.testing import check_resume_is_bit_equal
from vitrail_training.tracking import read_metrics

IDENTITIES, FEATURES = 40, 12
FIT = FitConfig(steps=6, batch_size=8, lr=0.01, device="cpu", checkpoint_every=0, log_every=1, clip_norm=5.0)


class Identities:
    """Noise around a prototype for each of 40 identities."""

    def __init__(self):
        self.prototypes = np.random.default_rng(0).normal(size=(IDENTITIES, FEATURES)).astype(np.float32)

    def __len__(self):
        return 10 * IDENTITIES

    def sample(self, index, rng):
        noise = rng.normal(size=FEATURES).astype(np.float32)
        label = index % IDENTITIES
        return {"image": self.prototypes[label] + 0.3 * noise, "label": label}


class Faces(MarginTask):
    def __init__(self, **options):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(FEATURES, 24), nn.ReLU(), nn.Linear(24, 8))
        super().__init__(
            model, Identities(), lambda: MarginSoftmax(IDENTITIES, 8, margin=ArcFace(scale=16.0), **options)
        )

    def loss(self, model, batch, step):
        return self.head(model(batch["image"]), batch["label"])


class MomentumFaces(Faces):
    def centre_optimizer(self, config):
        return torch.optim.SGD([self.head.classifier.weight], lr=config.lr, momentum=0.9, weight_decay=5e-4)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Faces, {}),
        (Faces, {"sample_rate": 0.3}),
        (MomentumFaces, {"sample_rate": 0.3}),
        (Faces, {"sample_rate": 0.3, "sparse_update": False}),
    ],
    ids=["all classes", "sparse", "sparse with momentum", "dense"],
)
def test_resume_is_bit_equal(tmp_path, kind, options):
    check_resume_is_bit_equal(lambda: kind(**options), FIT, tmp_path)


def test_accumulation_with_sampling(tmp_path):
    from dataclasses import replace

    task = Faces(sample_rate=0.3)
    fit(task, replace(FIT, accumulate=2), out=tmp_path / "run")
    assert task.head.classifier.draws == 12
    assert task.head.classifier.taken == []


def test_it_learns(tmp_path):
    from dataclasses import replace

    task = Faces(sample_rate=0.5)
    start = task.make_head().classifier.weight.detach().clone()
    fit(task, replace(FIT, steps=60, batch_size=32, log_every=10), out=tmp_path / "run")
    losses = [line["loss"] for line in read_metrics(tmp_path / "run") if "loss" in line]
    assert losses[-1] < 0.6 * losses[0]
    data = Identities()
    with torch.no_grad():
        embeddings = nn.functional.normalize(task.model(torch.from_numpy(data.prototypes)))
        nearest = (embeddings @ nn.functional.normalize(task.head.classifier.weight).T).argmax(dim=1)
    assert (nearest == torch.arange(IDENTITIES)).float().mean() > 0.9
    assert not torch.equal(task.head.classifier.weight, start)


def test_loss_scaling_is_refused(tmp_path):
    from dataclasses import replace

    with pytest.raises(UsageError, match="fp16"):
        Faces().optimizer(nn.Linear(2, 2), replace(FIT, precision="fp16"))
