"""A running average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@torch.no_grad()
def blend_(average: Mapping[str, Tensor], state: Mapping[str, Tensor], decay: float) -> None:
    """average = decay * average + (1 - decay) * state, in place; counters and the like are copied.

    Both are state dicts of one network, so this also updates a mean teacher:
    `blend_(teacher.state_dict(), student.state_dict(), 0.99)`.
    """
    for name, value in state.items():
        if average[name].is_floating_point():
            average[name].lerp_(value.to(average[name]), 1 - decay)
        else:
            average[name].copy_(value)


class Ema:
    """average_0 = w_0, average_(n + 1) = d_n * average_n + (1 - d_n) * w_(n + 1), d_n = min(decay, (1 + n) / (10 + n)).

    The decay rises to its value, as in TensorFlow's ExponentialMovingAverage and in diffusers' EMAModel, so that the
    average forgets the first weights soon: with a fixed decay of 0.999 a twentieth of them is left after 3,000 steps.
    Floating buffers, such as the running statistics of BatchNorm, are averaged like weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.average = {name: value.detach().clone() for name, value in network.state_dict().items()}

    def update(self, network: nn.Module, step: int) -> None:
        """step: how many updates of the weights there were before the last one, from 0."""
        blend_(self.average, network.state_dict(), min(self.decay, (1 + step) / (10 + step)))

    @contextmanager
    def applied_to(self, network: nn.Module) -> Iterator[None]:
        """Inside the block the network has the averaged weights; afterwards exactly its own again."""
        state = network.state_dict()
        own = {name: value.detach().clone() for name, value in state.items()}
        _copy(self.average, state)
        try:
            yield
        finally:
            _copy(own, state)

    def state_dict(self) -> dict[str, Tensor]:
        return self.average

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        _copy(state, self.average)


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, value in target.items():
        value.copy_(source[name])
