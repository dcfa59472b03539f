"""Cross entropy with labels that a network gave: two ways to trust them by how sure they are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vitrail_segmentation.losses import mean_across_ranks


def by_image(logits: Tensor, labels: Tensor, confidence: Tensor, *, threshold: float) -> Tensor:
    """The mean over all labelled pixels of w CE, w the share of the image's labelled pixels that are surer than
    `threshold`.

    So ReCo (arXiv 2104.04465) and PRCL's released code weigh. Their mean leaves out pixels whose loss is exactly 0;
    here it is over all labelled ones.

    logits: (B, K, H, W). labels: (B, H, W) int64, below 0 where there is none. confidence: (B, H, W). Returns a scalar,
    0 where no pixel has a label; over the pixels of all processes.
    """
    labelled = labels >= 0
    sure = ((confidence >= threshold) & labelled).flatten(1).sum(dim=1)
    weight = sure / labelled.flatten(1).sum(dim=1).clamp_min(1)
    return _mean(logits, labels, weight[:, None, None] * labelled)


def by_pixel(logits: Tensor, labels: Tensor, confidence: Tensor, *, threshold: float) -> Tensor:
    """The sum of the cross entropy of the pixels that are surer than `threshold`, over the number of labelled ones.

    FixMatch (arXiv 2001.07685) for pixels, as in UniMatch's baseline. Arguments as of `by_image`.
    """
    labelled = labels >= 0
    return _mean(logits, labels, (confidence >= threshold) & labelled)


def _mean(logits: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
    losses = F.cross_entropy(logits.float(), labels.clamp_min(0), reduction="none")
    count = mean_across_ranks((labels >= 0).sum().to(torch.float32))
    return (losses * weight).sum() / count.clamp_min(1e-6)
