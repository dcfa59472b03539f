"""Sampling of class centres: Partial FC, An et al., arXiv 2203.15565."""

from __future__ import annotations

import torch
from torch import Tensor


def sample_rows(labels: Tensor, rows: int, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A random choice of `count` of `rows` centres that holds every label; nothing waits for the device.

    labels: (B,), 0 to rows - 1 or -1; `count` is at least the number of different ones.

    Returns the chosen rows (count,) in ascending order, and the labels (B,) as places among them.
    """
    places = torch.where(labels >= 0, labels, rows)
    scores = torch.rand(rows + 1, generator=generator, device=labels.device)
    scores = scores.index_fill(0, places, 2.0)[:rows]
    chosen = scores.topk(count, sorted=False).indices.sort().values
    return chosen, torch.where(labels >= 0, torch.searchsorted(chosen, labels), -1)
