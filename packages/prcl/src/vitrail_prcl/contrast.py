"""The contrastive loss of PRCL: hard pixels are pulled to the prototype of their class and away from other pixels."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vitrail_prcl.kernels.mls_infonce import mls_infonce
from vitrail_prcl.prototypes import GlobalPrototypes, Prototypes, batch_naturals
from vitrail_prcl.sampling import draw_negatives, draw_pixels, sort_by_class
from vitrail_prcl.score import mutual_likelihood_score, score_scale
from vitrail_prcl.train_config import ContrastConfig
from vitrail_prcl.virtual import virtual_negatives


class Pixels(NamedTuple):
    """Pixels of a batch, at the resolution of the representation.

    mean, variance: (P, D) float32. labels: (P,) int64, below 0 for pixels that do not count. probability: (P,), what
    the network gives the pixel's own class.
    """

    mean: Tensor
    variance: Tensor
    labels: Tensor
    probability: Tensor


class Contrasted(NamedTuple):
    """loss: a scalar. hard: the share of the pixels that count that are hard, and so can be anchors."""

    loss: Tensor
    hard: Tensor


class Contrast:
    """The loss and what it remembers, the global prototypes."""

    def __init__(
        self, config: ContrastConfig, classes: int, width: int, device: str | torch.device = "cpu"
    ) -> None:
        self.config, self.classes = config, classes
        self.length = config.length or math.sqrt(width)
        self.scale = score_scale(width, config.temperature, config.reduction)
        self.memory = GlobalPrototypes(classes, width, decay=config.decay, prior=config.prior, device=device)

    def __call__(self, pixels: Pixels, generator: torch.Generator) -> Contrasted:
        """InfoNCE over the mutual likelihood score (PRCL, arXiv 2402.18117).

        For each class that is present, `config.anchors` hard pixels: those whose own class has a probability below
        `config.hard`. The positive is the prototype of the class, the negatives are `config.negatives` pixels of the
        other classes, and virtual ones. Only the anchors get gradients. The mean over anchors is summed over classes
        and divided by the number of those present; a class without a hard pixel adds 0. With fewer than two classes
        it is 0.

        generator: of the pixels' device. Every process calls it alike: the prototypes are of all of them.
        """
        config, labels = self.config, pixels.labels
        variance = pixels.variance.clamp_min(config.floor)
        keys = pixels.mean.detach(), variance.detach()
        prototypes = self._prototypes(*keys, labels)
        counted = sort_by_class(labels, self.classes)
        present = counted.count > 0
        is_hard = (labels >= 0) & (pixels.probability < config.hard)
        hard = sort_by_class(labels.masked_fill(~is_hard, -1), self.classes)
        share = hard.count.sum() / counted.count.sum().clamp_min(1)

        rows = (hard.count > 0) & (present.sum() > 1)
        groups = torch.arange(self.classes, device=labels.device)
        if (
            labels.device.type == "cpu"
        ):  # a look at the device costs nothing here, and empty classes cost time
            groups, rows = groups[rows], rows[rows]
        anchors = draw_pixels(hard, groups[:, None].expand(-1, config.anchors), generator)
        negatives = draw_negatives(
            counted, self._alike(prototypes), present, config.anchors, config.negatives, generator
        )[groups]
        virtual = None
        if config.virtual:
            points = virtual_negatives(
                prototypes, config.virtual, radius=config.radius, spread=config.spread, generator=generator
            )
            virtual = self._directed(points)
        losses = mls_infonce(
            self._directed(pixels.mean[anchors.flatten()]),
            variance[anchors.flatten()],
            groups.repeat_interleave(config.anchors),
            self._directed(prototypes.mean),
            prototypes.variance,
            self._directed(keys[0]),
            keys[1],
            negatives.flatten(0, 1),
            virtual,
            scale=self.scale,
        )
        by_class = losses.view(-1, config.anchors).mean(dim=1) * rows
        # the sums keep both heads in the graph where there is no anchor at all
        nothing = 0 * (pixels.mean[:1].sum() + pixels.variance[:1].sum())
        return Contrasted(by_class.sum() / present.sum().clamp_min(1) + nothing, share)

    def _directed(self, mean: Tensor) -> Tensor:
        """Means (..., D) brought to one length."""
        return self.length * F.normalize(mean, dim=-1)

    def _prototypes(self, mean: Tensor, variance: Tensor, labels: Tensor) -> Prototypes:
        if self.config.weighting == "plain":
            variance = torch.ones_like(variance)
        batch = batch_naturals(mean, variance, labels, self.classes)
        if self.config.prototypes == "batch":
            return batch.prototypes()
        self.memory.add(batch)
        return self.memory.prototypes()

    def _alike(self, prototypes: Prototypes) -> Tensor:
        """(C, C) scores of the prototypes over the temperature."""
        mean, variance = prototypes.mean, prototypes.variance
        score = mutual_likelihood_score(
            mean[:, None],
            variance[:, None],
            mean,
            variance,
            reduction=self.config.reduction,
            length=self.length,
        )
        return score / self.config.temperature
