"""The loss of a recogniser: softmax cross entropy over all classes, with a margin on the target."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.errors import UsageError
from vitrail_recognition.collectives import own_samples
from vitrail_recognition.margins import ArcFace, Margin
from vitrail_recognition.sharded import ShardedClassifier


class Scores(NamedTuple):
    """What the softmax says of each of this process's samples, (B,) float32 (float64 for float64 embeddings).

    loss: -log of the target's probability, with the margin. cosine: between the sample and its class, without it.
    entropy: -sum p log p of the softmax with the margin, without gradient; 0 unless asked for.
    """

    loss: Tensor
    cosine: Tensor
    entropy: Tensor

    @property
    def probability(self) -> Tensor:
        """The target's probability."""
        return (-self.loss).exp()


class MarginSoftmax(nn.Module):
    """Cross entropy of a softmax over scale * cosine with a margin, over class centres shared by all processes.

    >>> head = MarginSoftmax(85_742, 512, margin=ArcFace())
    >>> loss = head(embeddings, labels)                  # the mean over the samples
    >>> loss = head(embeddings, labels, weights)         # the mean of weight * loss
    >>> scores = head.scores(embeddings, labels)         # of each sample, to build another loss from

    The (samples x classes) logits are never stored. Under torchrun each process passes its own samples and gets its
    own loss, all of the same number; call backward on their mean, as in any data-parallel training. It has to be made
    when the process group is there, and stays outside DistributedDataParallel: see ShardedClassifier for the options.

    Source: ArcFace, arXiv 1801.07698; Partial FC, arXiv 2203.15565.
    """

    def __init__(
        self,
        classes: int,
        width: int = 512,
        *,
        margin: Margin | None = None,
        sample_rate: float = 1.0,
        sparse_update: bool = True,
        threshold: float | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.margin = margin if margin is not None else ArcFace()
        self.classifier = ShardedClassifier(
            classes,
            width,
            sample_rate=sample_rate,
            sparse_update=sparse_update,
            threshold=threshold,
            seed=seed,
            device=device,
        )

    def forward(self, embeddings: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """The mean of weights * loss over this process's samples, a scalar.

        embeddings: (B, D), of any length but 0. labels: (B,), 0 to classes - 1. weights: (B,).
        """
        loss = self.scores(embeddings, labels).loss
        return (loss if weights is None else loss * weights).mean()

    def scores(self, embeddings: Tensor, labels: Tensor, *, want_entropy: bool = False) -> Scores:
        """Loss, cosine and entropy of each sample. A label out of range gives a loss of nan.

        Nothing waits for the device. Every process must call it, equally often, and also its backward pass.
        """
        classifier = self.classifier
        if embeddings.dim() != 2 or embeddings.shape[1] != classifier.width:
            raise UsageError(
                f"The embeddings are {tuple(embeddings.shape)}; this classifier wants (B, {classifier.width})."
            )
        if embeddings.dtype != torch.float64:
            embeddings = embeddings.float()
        rest, cosine, mean = classifier(
            F.normalize(embeddings), labels, scale=self.margin.scale, want_mean=want_entropy
        )
        logit = self.margin(cosine)
        known = (labels >= 0) & (labels < classifier.classes)
        loss = own_samples(-F.logsigmoid(logit - rest)).masked_fill(~known, torch.nan)
        entropy = _entropy(rest, logit, mean) if want_entropy else torch.zeros_like(mean)
        return Scores(loss, own_samples(cosine), own_samples(entropy))


@torch.no_grad()
def _entropy(rest: Tensor, logit: Tensor, mean: Tensor) -> Tensor:
    """log Z - sum p z over all classes, from the target's logit and the others' log-sum-exp and mean logit."""
    total = torch.logaddexp(rest, logit)
    return total - (rest - total).exp() * mean - (logit - total).exp() * logit
