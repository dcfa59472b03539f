"""Random inputs of realistic size, for tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stage:
    """One decoder stage of the full network: its stride, and d, R and N of its two scans."""

    stride: int
    d: int
    rank: int
    states_n: int = 16


STAGES = (Stage(32, 128, 16), Stage(16, 64, 8), Stage(8, 32, 4), Stage(4, 16, 2))


def random_inputs(
    batch: int,
    height: int,
    width: int,
    d: int,
    states_n: int = 16,
    rank: int = 2,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> tuple[Tensor, ...]:
    """The six inputs of `cross_scan`, with parameters spread as the network initialises them, a little off."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    A = torch.arange(1, states_n + 1, dtype=torch.float64).log().repeat(4 * d, 1)
    inputs = (
        normal(batch, height, width, d),
        normal(4, rank + 2 * states_n, d) * d**-0.5,
        normal(4, d, rank) * rank**-0.5,
        normal(4, d) - 2.0,
        A + 0.1 * normal(4 * d, states_n),
        1.0 + 0.1 * normal(4 * d),
    )
    return tuple(tensor.to(device=device, dtype=dtype) for tensor in inputs)
