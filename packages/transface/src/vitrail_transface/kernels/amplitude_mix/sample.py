"""Random inputs of the op, for tests and benchmarks."""

from __future__ import annotations

import torch
from torch import Tensor


def random_inputs(
    batch: int,
    *,
    channels: int = 3,
    size: tuple[int, int] = (112, 112),
    patch: int = 9,
    patches: int = 7,
    probability: float = 0.2,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> tuple[Tensor, ...]:
    """images, targets, donors, share and active, as DPAP draws them: whole grey levels, normalised to -1..1."""
    generator = torch.Generator().manual_seed(seed)
    cells = (size[0] // patch) * (size[1] // patch)
    levels = torch.randint(256, (batch, channels, *size), generator=generator)
    order = torch.rand(batch, cells, generator=generator).argsort(dim=1)[:, :patches]
    targets = order + cells * torch.arange(batch)[:, None]
    inputs = (
        (levels.to(torch.float64) / 127.5 - 1).to(dtype),
        targets.flatten(),
        torch.randint(max(1, batch * cells), (targets.numel(),), generator=generator),
        torch.rand(targets.numel(), generator=generator),
        (torch.rand(batch, 1, generator=generator) < probability).expand_as(targets).flatten(),
    )
    return tuple(tensor.to(device) for tensor in inputs)
