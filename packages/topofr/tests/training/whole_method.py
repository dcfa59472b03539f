"""Some steps of TopoFR with all of the method on, or the rest of a run; test_two_processes.py runs it."""

from __future__ import annotations

from vitrail_recognition.testing import train_in_steps
from vitrail_topofr.config import MethodConfig, TopoFRConfig
from vitrail_topofr.train import train
from vitrail_topofr.train_config import TrainConfig

MODEL = TopoFRConfig(blocks=(1, 1, 1, 1), widths=(4, 6, 8, 10), embedding=12)

if __name__ == "__main__":
    train_in_steps(train, TrainConfig(method=MethodConfig(xi=0.6), model=MODEL))
