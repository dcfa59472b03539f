"""A few steps of TransFace; run by test_two_processes.py, alone or under torchrun.

Drop path, masking and DPAP are off, since each process draws its own; BatchNorm stays in eval mode, since each process
on a CPU would normalise by its own samples. SGD, for Adam turns rounding of tiny gradients into whole steps.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

from vitrail_recognition.training import fit_recognizer
from vitrail_recognition.training_config import MarginConfig
from vitrail_recognition.training_data import open_training_faces
from vitrail_training.config import FitConfig
from vitrail_transface.config import DPAPConfig, TransFaceConfig
from vitrail_transface.plugin import TINY
from vitrail_transface.recognizer import TransFaceRecognizer
from vitrail_transface.train import TransFaceTask
from vitrail_transface.train_config import TrainConfig

FIT = FitConfig(
    steps=3, batch_size=4, lr=0.05, schedule="constant", log_every=1, checkpoint_every=0, device="cpu"
)


class Steps(TransFaceTask):
    def train_mode(self):
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.eval()

    def network_optimizer(self, model, config):
        return torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=config.lr)

    def centre_optimizer(self, config):
        return torch.optim.SGD([self.head.classifier.weight], lr=config.lr, momentum=0.9)


def main(data: str, out: str, *verify: str) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = TransFaceConfig(dim=16, depth=2, heads=2, embedding=12, gate_dim=6, drop_path=0.0)
    config = TrainConfig(
        data=data,
        verify=verify,
        pairs=20,
        dpap=DPAPConfig(probability=0),
        margin=MarginConfig(scale=8.0, gradient="straight_through"),
        model=model,
        fit=FIT,
    )
    component = TransFaceRecognizer.from_config(model, spec=TINY, device="cpu", seed=0)
    fit_recognizer(Steps(component, open_training_faces(config), config), FIT, out=Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
