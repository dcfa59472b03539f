"""One step of a torch optimizer for class centres, of which only the sampled rows may take part."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vitrail.errors import UsageError
from vitrail_recognition.sharded import ShardedClassifier


class CentreOptimizer:
    """Drives `optimizer`, which must have been made for [classifier.weight] alone.

    Where rows were sampled (sparse_update), it steps on these rows: their values, and their part of every state tensor
    of the weight's shape (momentum_buffer, exp_avg, ...), go through torch's own optimizer and back. Other rows do not
    change at all. What is no row of its own, such as Adam's count of steps, is shared: it counts steps, not visits.
    """

    def __init__(self, classifier: ShardedClassifier, optimizer: torch.optim.Optimizer) -> None:
        groups = optimizer.param_groups
        if (
            len(groups) != 1
            or len(groups[0]["params"]) != 1
            or groups[0]["params"][0] is not classifier.weight
        ):
            raise UsageError("The optimizer of class centres must be made for [classifier.weight] alone.")
        self.classifier, self.optimizer = classifier, optimizer

    @property
    def state(self) -> dict[str, Any]:
        """The optimizer's state of the centres, by name."""
        return self.optimizer.state[self.classifier.weight]

    @torch.no_grad()
    def step(self) -> None:
        """Change the centres by their gradients, and clear these."""
        sampled = self.classifier.sampled_gradient()
        if sampled is None:
            self.optimizer.step()
        else:
            self._step_on(*sampled)
        self.classifier.clear_gradients()

    def _step_on(self, index: Tensor, gradient: Tensor) -> None:
        weight = self.classifier.weight
        state, group = self.state, self.optimizer.param_groups[0]
        rows = nn.Parameter(weight.index_select(0, index))
        rows.grad = gradient
        group["params"] = [rows]
        self.optimizer.state[rows] = {
            name: value.index_select(0, index) if self.has_rows(value) else value
            for name, value in state.items()
        }
        try:
            self.optimizer.step()
        finally:
            group["params"] = [weight]
            after = self.optimizer.state.pop(rows)
        weight.index_copy_(0, index, rows)
        for name, value in after.items():
            if not (isinstance(value, Tensor) and value.shape == rows.shape):
                state[name] = value
                continue
            if name not in state:
                state[name] = torch.zeros_like(weight, dtype=value.dtype)
            state[name].index_copy_(0, index, value)

    def has_rows(self, value: Any) -> bool:
        """Whether a state value has a row for each centre."""
        return isinstance(value, Tensor) and value.shape == self.classifier.weight.shape
