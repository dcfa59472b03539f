"""Some steps of TopoFR with all of the method on, or the rest of a run; test_two_processes.py runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from vitrail_recognition.training_config import MarginConfig
from vitrail_topofr.config import MethodConfig, TopoFRConfig
from vitrail_topofr.train import train
from vitrail_topofr.train_config import TrainConfig
from vitrail_training.config import FitConfig


def main(data: str, out: str, steps: str) -> None:
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
    config = TrainConfig(
        data=data,
        method=MethodConfig(xi=0.6),
        margin=MarginConfig(scale=8.0, sample_rate=0.5),
        model=TopoFRConfig(blocks=(1, 1, 1, 1), widths=(4, 6, 8, 10), embedding=12),
        fit=fit,
    )
    train(config, out=Path(out), resume="auto")


if __name__ == "__main__":
    main(*sys.argv[1:])
