"""Some steps of TransFace with all of the method on, or the rest of a run; test_two_processes.py runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from vitrail_recognition.training_config import MarginConfig
from vitrail_training.config import FitConfig
from vitrail_transface.config import DPAPConfig, TransFaceConfig
from vitrail_transface.train import train
from vitrail_transface.train_config import TrainConfig


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
        dpap=DPAPConfig(probability=0.6),
        margin=MarginConfig(scale=8.0, sample_rate=0.5),
        model=TransFaceConfig(
            dim=16, depth=2, heads=2, embedding=12, gate_dim=6, mask_ratio=0.1, checkpointing=True
        ),
        fit=fit,
    )
    train(config, out=Path(out), resume="auto")


if __name__ == "__main__":
    main(*sys.argv[1:])
