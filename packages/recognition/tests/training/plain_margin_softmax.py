"""Margin softmax by definition: all logits at once, in plain torch."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def plain_logits(embeddings, centres, labels, margin):
    """(B, C) logits with the margin on the target."""
    cosines = F.normalize(embeddings) @ F.normalize(centres).T
    rows = torch.arange(len(labels))
    return (margin.scale * cosines).index_put((rows, labels), margin(cosines[rows, labels]))


def plain_losses(embeddings, centres, labels, margin):
    """(B,) cross entropies."""
    return F.cross_entropy(plain_logits(embeddings, centres, labels, margin), labels, reduction="none")
