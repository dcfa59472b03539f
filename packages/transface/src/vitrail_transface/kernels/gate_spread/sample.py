"""Random inputs of the op, for tests and benchmarks."""

from __future__ import annotations

import torch
from torch import Tensor


def random_inputs(
    batch: int,
    tokens: int,
    dim: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Tokens (B, N, D) with a mean of their own, and gates (B, N) from 0 to 1."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(batch, tokens, dim, generator=generator, dtype=torch.float64)
    means = torch.randn(batch, tokens, 1, generator=generator, dtype=torch.float64)
    gate = torch.randn(batch, tokens, generator=generator, dtype=torch.float64).sigmoid()
    return (values + means).to(device, dtype), gate.to(device, dtype)
