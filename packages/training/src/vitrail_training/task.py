"""What a method gives to `fit`: its network, its data, its loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitrail_training import data, weights
from vitrail_training.config import FitConfig
from vitrail_training.optim import parameter_groups


class Task:
    """A method subclasses this and writes `loss`; the rest has defaults.

    Everything in it is code for one device. `fit` moves the network, casts, accumulates, averages over
    processes, and saves.

    model: the network. All that is trained belongs to it, heads and class centres with gradients too, since
        only its parameters are averaged over processes.
    dataset: `len(dataset)` and `sample(index, rng)`, see vitrail_training.data.Dataset.
    settings: the method's own config as plain data. It is written beside the results, and a run that resumes
        with other settings is refused.
    no_weight_decay: names or patterns ("*.A_logs") of weight matrices that must not decay; biases and
        the scales of normalisations never do.
    find_unused_parameters: set it where some parameters get no gradient; several processes need to know.
    sync_batch_norm: whether BatchNorm on several GPUs normalises by the statistics of all of a batch. Off, each process
        uses those of its own part, and the running ones are the first process's.
    """

    model: nn.Module
    dataset: data.Dataset
    settings: Mapping[str, Any] = {}
    no_weight_decay: Sequence[str] = ()
    find_unused_parameters: bool = False
    sync_batch_norm: bool = True

    def __init__(self, model: nn.Module, dataset: data.Dataset) -> None:
        self.model = model
        self.dataset = dataset

    def loss(
        self, model: nn.Module, batch: dict[str, Any], step: int
    ) -> Tensor | tuple[Tensor, Mapping[str, Tensor]]:
        """The loss of a batch (a scalar), and optionally further scalars to log, under the same names each time.

        model: the network to call, `self.model` in the wrapping that accelerate gave it. Its forward pass runs
            in the precision of the run and returns fp32.
        batch: what `collate` made of the samples, tensors (B, ...) on the run's device.
        step: from 0.

        A loss that is not a mean over samples reduces its sums with distributed.sum_across.
        """
        raise NotImplementedError(f"{type(self).__name__} has no loss().")

    def optimizer(self, model: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
        """AdamW. `fit` sets the learning rate of every group by the schedule, from the rate given here."""
        groups = parameter_groups(
            model, lr=config.lr, weight_decay=config.weight_decay, no_decay=self.no_weight_decay
        )
        return torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay)

    def collate(self, samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Samples to a batch; runs where samples are read."""
        return data.stack(samples)

    def train_mode(self) -> None:
        """Put the network in training mode; override to keep parts of it, such as BatchNorm, in eval mode."""
        self.model.train()

    def after_step(self, step: int) -> None:
        """Called when step `step` (from 0) has changed the weights, and the average of the weights."""

    def evaluate(self, model: nn.Module) -> Mapping[str, float]:
        """Named values of the network as it is now, in eval mode and without gradients.

        `model` is `self.model`, on the run's device, holding the averaged weights where config.ema is set. Every
        process calls it; they may share the work (distributed.rank, distributed.world, distributed.mean_across),
        and what process 0 returns counts. What it draws from random generators does not disturb training.
        """
        return {}

    def state_dict(self) -> dict[str, Any]:
        """The method's own state: class centres, prototypes, teachers. Every process calls it, and what process 0
        returns is saved; it may hold nested dicts and lists of tensors, arrays, numbers and strings."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave; tensors come on the CPU."""

    def save(self, folder: Path) -> None:
        """Write the finished component, usually `component.save_pretrained(folder)`. `self.model` holds the
        weights to save, averaged where config.ema is set. Process 0 calls it."""
        weights.write_weights(folder / weights.WEIGHTS_FILE, self.model)
