"""A training task whose class centres are shared out over the processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from vitrail.errors import UsageError
from vitrail_recognition.centre_optimizer import CentreOptimizer
from vitrail_recognition.loss import MarginSoftmax
from vitrail_recognition.resharding import full_state, load_full_state
from vitrail_training.config import FitConfig
from vitrail_training.data import Dataset
from vitrail_training.schedule import set_learning_rate
from vitrail_training.task import Task


class MarginTask(Task):
    """A method subclasses this and writes `loss`, in which it calls `self.head(model(images), labels)`.

    The centres are no part of `model`, which `fit` averages over processes and clips, and process 0 saves. Each process
    steps on its own centres after the network's step, with the learning rate of the same schedule. A checkpoint holds
    all of them, so that a run may go on with another number of processes.

    make_head: called when the processes are known; `self.head` is what it returns.
    """

    head: MarginSoftmax
    centres: CentreOptimizer

    def __init__(self, model: nn.Module, dataset: Dataset, make_head: Callable[[], MarginSoftmax]) -> None:
        super().__init__(model, dataset)
        self.make_head = make_head

    def optimizer(self, model: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
        if config.precision == "fp16":
            raise UsageError(
                "precision is fp16, whose loss scaling does not reach class centres that are shared out over the "
                "processes; use bf16 or fp32."
            )
        self.head = self.make_head().to(next(model.parameters()).device)
        self.centres = CentreOptimizer(self.head.classifier, self.centre_optimizer(config))
        self.config = config
        return self.network_optimizer(model, config)

    def network_optimizer(self, model: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
        """The optimizer of the network; AdamW as in Task."""
        return super().optimizer(model, config)

    def centre_optimizer(self, config: FitConfig) -> torch.optim.Optimizer:
        """The optimizer of [self.head.classifier.weight]; AdamW with the network's rate and weight decay."""
        weight = self.head.classifier.weight
        return torch.optim.AdamW([weight], lr=config.lr, weight_decay=config.weight_decay)

    def after_step(self, step: int) -> None:
        set_learning_rate(self.centres.optimizer, self.config, step)
        self.centres.step()

    def state_dict(self) -> dict[str, Any]:
        return {"centres": full_state(self.head.classifier, self.centres)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        load_full_state(self.head.classifier, state["centres"], self.centres)
