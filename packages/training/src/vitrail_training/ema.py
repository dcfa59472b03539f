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
    """The average after step n is decay ** n * w_0 + (1 - decay) * sum_i decay ** (n - i) * w_i, i = 1..n.

    Floating buffers, such as the running statistics of BatchNorm, are averaged like weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.average = {name: value.detach().clone() for name, value in network.state_dict().items()}

    def update(self, network: nn.Module) -> None:
        blend_(self.average, network.state_dict(), self.decay)

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
