"""Which pixels a step compares: drawn on the device, without a loop over classes or a wait for the host."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class ByClass(NamedTuple):
    """Pixels sorted by class. order: (P,) their indices; those of class c are order[start[c] : start[c] + count[c]].

    start, count: (C,) int64.
    """

    order: Tensor
    start: Tensor
    count: Tensor


def sort_by_class(labels: Tensor, classes: int) -> ByClass:
    """labels: (P,) int64, 0 to C - 1, or below 0 for pixels that are left out (they come last)."""
    keys = torch.where(labels >= 0, labels, classes)
    order = torch.argsort(keys, stable=True)
    count = keys.new_zeros(classes + 1).scatter_add_(0, keys, torch.ones_like(keys))[:classes]
    return ByClass(order, count.cumsum(0) - count, count)


def draw_pixels(pixels: ByClass, wanted: Tensor, generator: torch.Generator) -> Tensor:
    """One pixel for each entry of `wanted`, uniformly among those of that class, with replacement.

    wanted: classes, int64 of any shape. Returns indices of the same shape; for a class without pixels any index.
    """
    count = pixels.count[wanted]
    # float64: with float32 the last pixels of a class of millions would be drawn more often
    share = torch.rand(wanted.shape, generator=generator, device=wanted.device, dtype=torch.float64)
    place = (share * count).long().minimum(count - 1).clamp_min(0)
    return pixels.order[(pixels.start[wanted] + place).clamp_max(len(pixels.order) - 1)]


def draw_classes(logits: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Classes by softmax of each row of `logits` (R, C), by inversion of the cumulated probabilities: (R, *shape).

    Entries of -inf are never drawn. A row of -inf alone gives class 0.
    """
    rows, classes = logits.shape
    steps = logits.double().softmax(dim=1).nan_to_num(0.0).cumsum(dim=1)
    share = torch.rand((rows, *shape), generator=generator, device=logits.device, dtype=torch.float64)
    reached = share.view(rows, -1) * steps[:, -1:]  # the last step may be rounded to below 1
    return torch.searchsorted(steps, reached, right=True).clamp_max(classes - 1).view(rows, *shape)


def draw_negatives(
    pixels: ByClass, alike: Tensor, present: Tensor, anchors: int, negatives: int, generator: torch.Generator
) -> Tensor:
    """For each class its anchors' negatives: classes that are alike are drawn more often, then pixels uniformly.

    alike: (C, C) scores of the prototypes, already divided by the temperature. present: (C,) bool.
    Returns (C, anchors, negatives) int64, indices of pixels of other classes that are present; without meaning where
    there is no other class.
    """
    other = ~torch.eye(len(alike), dtype=torch.bool, device=alike.device)
    logits = alike.masked_fill(~(other & present), -torch.inf)
    return draw_pixels(pixels, draw_classes(logits, (anchors, negatives), generator), generator)
