"""The definition of the sums by class, in float64."""

from __future__ import annotations

import torch
from torch import Tensor


def forward(mean: Tensor, variance: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """precision, weighted (C, D) float64 and count (C,) int64; see `class_sums`.

    On a GPU index_add adds in any order, so that the last bits differ from run to run.
    """
    rows = torch.where(labels < 0, classes, labels)  # what is left out goes to one class more
    inverse = variance.double().reciprocal()
    nothing = inverse.new_zeros(classes + 1, mean.shape[1])
    precision = nothing.index_add(0, rows, inverse)
    weighted = nothing.index_add(0, rows, inverse * mean.double())
    count = rows.new_zeros(classes + 1).index_add(0, rows, torch.ones_like(rows))
    return precision[:classes].clone(), weighted[:classes].clone(), count[:classes].clone()
