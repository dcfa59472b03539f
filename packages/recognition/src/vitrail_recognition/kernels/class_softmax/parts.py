"""What the blocked implementations share: the target's cosine, norms, and putting parts of the classes together."""

from __future__ import annotations

import torch
from torch import Tensor

EXCLUDED = -1e30  # a logit that adds nothing to any sum, and unlike -inf can be subtracted from itself
SMALLEST_NORM = 1e-12  # as in torch.nn.functional.normalize


def inverse_norms(centres: Tensor, real: torch.dtype) -> Tensor:
    """1 / |w| of every centre (C,), in `real`."""
    return torch.linalg.vector_norm(centres, dim=1, dtype=real).clamp_min_(SMALLEST_NORM).reciprocal_()


def target_cosine(embeddings: Tensor, centres: Tensor, labels: Tensor, norms: Tensor) -> Tensor:
    """<e_i, w_y> / |w_y|, (B,), in the precision of `norms`; 0 where the label is -1."""
    index = labels.clamp_min(0)
    own = torch.linalg.vecdot(embeddings.to(norms.dtype), centres.index_select(0, index).to(norms.dtype))
    return torch.where(labels >= 0, own * norms[index], 0.0)


def merge(rests: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
    """Log-sum-exp and mean logit over all classes, (B,), from those of parts of the classes, (B, parts).

    A part without classes has log-sum-exp -inf (or EXCLUDED).
    """
    highest = rests.amax(dim=1, keepdim=True).clamp_min(EXCLUDED)
    shares = (rests - highest).exp()
    total = shares.sum(dim=1)
    mean = (shares * means).sum(dim=1) / total
    nothing = highest[:, 0] <= EXCLUDED / 2
    rest = torch.where(nothing, -torch.inf, highest[:, 0] + total.log())
    return rest, torch.where(nothing, 0.0, mean)
