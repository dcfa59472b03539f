"""Random inputs, for tests and benchmarks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def random_inputs(
    batch: int,
    width: int,
    classes: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    absent: float = 0.0,
    seed: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Unit embeddings (B, D), each somewhat near the centre of its label, centres (C, D) and labels (B,).

    absent: the part of the labels that is -1.
    """
    generator = torch.Generator(device).manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device)

    centres = 0.01 * normal(classes, width)
    labels = torch.randint(classes, (batch,), generator=generator, device=device)
    near = 40 * centres[labels] + normal(batch, width)
    lost = torch.rand(batch, generator=generator, device=device) < absent
    return F.normalize(near).to(dtype), centres.to(dtype), labels.masked_fill(lost, -1)
