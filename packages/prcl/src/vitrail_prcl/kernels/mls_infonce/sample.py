"""Random inputs, for tests and benchmarks."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Inputs(NamedTuple):
    """What `mls_infonce` takes before its keywords, in that order."""

    mean: Tensor
    variance: Tensor
    group: Tensor
    positive_mean: Tensor
    positive_variance: Tensor
    key_mean: Tensor
    key_variance: Tensor
    index: Tensor
    virtual_mean: Tensor


def random_inputs(
    anchors: int,
    groups: int,
    keys: int,
    negatives: int,
    width: int,
    virtual: int = 0,
    *,
    shared: bool = False,
    dtype: torch.dtype = torch.float32,
    key_dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> Inputs:
    """Anchors near the unit mean of their group, whose variance is small, as that of an average is.

    The other variances are those of a network at its start: the sigmoid of 1.5 times a normal number.
    """
    generator = torch.Generator(device).manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device)

    def numbers(high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=generator, device=device)

    positive = F.normalize(normal(groups, width), dim=1)
    group = numbers(groups, anchors).sort().values
    near = positive[group] + 0.5 * F.normalize(normal(anchors, width), dim=1)
    key_dtype = key_dtype or dtype
    return Inputs(
        F.normalize(near, dim=1).to(dtype),
        (1.5 * normal(anchors, width)).sigmoid().to(dtype),
        group,
        positive.to(dtype),
        (1e-3 * (1 + normal(groups, width).abs())).to(dtype),
        F.normalize(normal(keys, width), dim=1).to(key_dtype),
        (1.5 * normal(keys, width)).sigmoid().to(key_dtype),
        numbers(max(keys, 1), groups if shared else anchors, negatives),
        F.normalize(normal(groups, virtual, width), dim=2).to(dtype),
    )
