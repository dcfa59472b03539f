"""Virtual negatives: points around the prototypes of the other classes, also of classes that a batch lacks."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from vitrail_prcl.prototypes import Prototypes

Spread = Literal["unit", "deviation", "released"]


def virtual_negatives(
    prototypes: Prototypes, each: int, *, radius: float, spread: Spread, generator: torch.Generator
) -> Tensor:
    """For each class `each` points a class of all the others: (C, each * (C - 1), D), float32, no gradient.

    A point is mean + radius * std * e with e from N(0, I), where std is, by `spread`,

        unit        1
        deviation   the square root of the prototype's variance, as "drawn from the prototype" reads
        released    exp(variance / 2), what the authors' code has, which takes a variance for its logarithm; it is near
                    1, since prototypes of many pixels have a tiny variance

    Source: PRCL, arXiv 2402.18117, Virtual Negatives.
    """
    mean, variance, _ = prototypes
    classes, width = mean.shape
    std = {"unit": torch.ones_like(variance), "deviation": variance.sqrt(), "released": (variance / 2).exp()}[
        spread
    ]
    others = other_classes(classes, mean.device).repeat_interleave(each, dim=1)
    noise = torch.randn((*others.shape, width), generator=generator, device=mean.device)
    return mean[others] + radius * std[others] * noise


def other_classes(classes: int, device: torch.device) -> Tensor:
    """(C, C - 1): row c has every class but c, in order."""
    columns = torch.arange(classes - 1, device=device)
    return columns + (columns >= torch.arange(classes, device=device)[:, None])
