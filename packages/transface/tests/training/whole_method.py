"""Some steps of TransFace with all of the method on, or the rest of a run; test_two_processes.py runs it."""

from __future__ import annotations

from vitrail_recognition.testing import train_in_steps
from vitrail_transface.config import DPAPConfig, TransFaceConfig
from vitrail_transface.train import train
from vitrail_transface.train_config import TrainConfig

MODEL = TransFaceConfig(
    dim=16, depth=2, heads=2, embedding=12, gate_dim=6, mask_ratio=0.1, checkpointing=True
)

if __name__ == "__main__":
    train_in_steps(train, TrainConfig(dpap=DPAPConfig(probability=0.6), model=MODEL))
