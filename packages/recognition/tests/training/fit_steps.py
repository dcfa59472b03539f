"""A few steps of a recogniser in the training loop: fit_steps.py OUT STEPS, alone or under torchrun; it resumes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vitrail_recognition.loss import MarginSoftmax
from vitrail_recognition.margins import ArcFace
from vitrail_recognition.task import MarginTask
from vitrail_training.config import FitConfig
from vitrail_training.loop import fit

CLASSES = 13  # do not share out evenly


class Vectors:
    def __len__(self):
        return 64

    def sample(self, index, rng):
        numbers = np.random.default_rng(index).normal(size=6).astype(np.float32)
        return {"image": numbers, "label": index * 7 % CLASSES}


class Faces(MarginTask):
    def loss(self, model, batch, step):
        return self.head(model(batch["image"]), batch["label"])

    def network_optimizer(self, model, config):
        # Adam divides by the gradient's own size and so turns rounding of tiny gradients into whole steps
        return torch.optim.SGD(model.parameters(), lr=config.lr)

    def centre_optimizer(self, config):
        return torch.optim.SGD([self.head.classifier.weight], lr=config.lr, momentum=0.9)


def main(out: Path, steps: int) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    task = Faces(nn.Linear(6, 8), Vectors(), lambda: MarginSoftmax(CLASSES, 8, margin=ArcFace(scale=8.0)))
    config = FitConfig(
        steps=steps, batch_size=8, lr=0.01, schedule="constant", clip_norm=5.0, log_every=1, device="cpu"
    )
    fit(task, config, out=out, resume="auto")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
