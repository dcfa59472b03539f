"""A few steps of TopoFR; run by test_two_processes.py, alone or under torchrun.

The method is off, for perturbation, structure and mixture are of each process's own samples; BatchNorm stays in eval
mode, since each process on a CPU would normalise by its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

from vitrail_recognition.training import fit_recognizer
from vitrail_recognition.training_config import MarginConfig
from vitrail_recognition.training_data import open_training_faces
from vitrail_topofr.config import MethodConfig, TopoFRConfig
from vitrail_topofr.plugin import TINY
from vitrail_topofr.recognizer import TopoFRRecognizer
from vitrail_topofr.train import TopoFRTask
from vitrail_topofr.train_config import TrainConfig
from vitrail_training.config import FitConfig

FIT = FitConfig(
    steps=3, batch_size=4, lr=0.05, schedule="constant", log_every=1, checkpoint_every=0, device="cpu"
)


class Steps(TopoFRTask):
    def train_mode(self):
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()


def main(data: str, out: str, *verify: str) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = TopoFRConfig(blocks=(1, 1, 1, 1), widths=(4, 6, 8, 10), embedding=12)
    config = TrainConfig(
        data=data,
        verify=verify,
        pairs=20,
        method=MethodConfig(xi=0, alpha=0, damage=False),
        margin=MarginConfig(scale=8.0),
        model=model,
        fit=FIT,
    )
    component = TopoFRRecognizer.from_config(model, spec=TINY, device="cpu", seed=0)
    fit_recognizer(Steps(component, open_training_faces(config), config), FIT, out=Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
