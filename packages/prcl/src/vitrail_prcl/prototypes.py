"""What a class looks like: the product of the Gaussians of its pixels, of one batch or of a whole training.

The product of Gaussians is a Gaussian whose natural parameters are sums: its precision is the sum of their precisions,
and its mean times precision the sum of theirs. So a pixel that is uncertain counts little, and nothing depends on the
order of pixels, batches or processes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from vitrail_prcl.kernels.prototypes import class_sums
from vitrail_training.distributed import sum_across


class Naturals(NamedTuple):
    """Sums over pixels of each class, float64: precision and weighted (C, D), 1 / v and m / v; count (C,)."""

    precision: Tensor
    weighted: Tensor
    count: Tensor

    def prototypes(self) -> Prototypes:
        """The products; a class without pixels has mean 0 and variance 1."""
        there = self.precision > 0
        safe = self.precision.where(there, 1.0)
        return Prototypes((self.weighted / safe).float(), (1 / safe).float(), self.count > 0)


class Prototypes(NamedTuple):
    """One Gaussian a class, float32: mean and variance (C, D); known (C,) bool, whether it ever had a pixel."""

    mean: Tensor
    variance: Tensor
    known: Tensor


@torch.no_grad()
def batch_naturals(mean: Tensor, variance: Tensor, labels: Tensor, classes: int) -> Naturals:
    """Of the pixels of all processes together, by one small all-reduce (PRCL, arXiv 2210.14670, Eq. 5).

    mean, variance: (P, D). labels: (P,) int64, below 0 for pixels that do not count.
    """
    precision, weighted, count = class_sums(mean, variance, labels, classes)
    width = mean.shape[1]
    together = sum_across(torch.cat((precision, weighted, count[:, None].double()), dim=1))
    return Naturals(together[:, :width], together[:, width : 2 * width], together[:, -1])


class GlobalPrototypes:
    """Global Distribution Prototypes (PRCL, arXiv 2402.18117): the product over all batches so far.

    decay: what the past is multiplied by after each step; 1 never forgets, as in the paper, so that step t moves the
    mean by about 1 / t. prior: precision of a Gaussian of mean 1 that the product begins with, as in the authors' code
    (1); 0 begins with nothing.

    The sums are float64: after 10,000 steps a float32 sum would no longer take up a small batch.
    """

    def __init__(
        self,
        classes: int,
        width: int,
        *,
        decay: float = 1.0,
        prior: float = 0.0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.decay = decay
        start = torch.full((classes, width), prior, dtype=torch.float64, device=device)
        self.sums = Naturals(start, start.clone(), torch.zeros(classes, dtype=torch.float64, device=device))

    def add(self, batch: Naturals) -> None:
        """Take up what the pixels of a batch, on all processes, add."""
        self.sums = Naturals(*(mine + new for mine, new in zip(self.sums, batch, strict=True)))

    def forget(self) -> None:
        """Let the past count less; to be called once a step."""
        if self.decay < 1:
            precision, weighted, count = self.sums
            self.sums = Naturals(self.decay * precision, self.decay * weighted, count)

    def prototypes(self) -> Prototypes:
        return self.sums.prototypes()

    def to(self, device: torch.device) -> None:
        self.sums = Naturals(*(part.to(device) for part in self.sums))

    def state_dict(self) -> dict[str, Any]:
        return self.sums._asdict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        device = self.sums.precision.device
        self.sums = Naturals(**{name: state[name].to(device) for name in Naturals._fields})
