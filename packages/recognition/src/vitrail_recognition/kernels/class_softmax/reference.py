"""The definition of the class softmax: the whole (B, C) matrix of cosines, in the precision of its input."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vitrail_recognition.kernels.class_softmax.parts import SMALLEST_NORM


def class_softmax_reference(
    embeddings: Tensor, centres: Tensor, labels: Tensor, scale: float, threshold: float = math.inf
) -> tuple[Tensor, Tensor, Tensor]:
    """rest, target and mean, (B,) each, by definition; autograd gives the gradients. See `class_softmax`.

    embeddings (B, D), used as they are; centres (C, D), normalised here; labels (B,), -1 for a class that is not
    among the centres. Everything is computed in float32, or float64 if both inputs are.
    """
    real = torch.promote_types(torch.promote_types(embeddings.dtype, centres.dtype), torch.float32)
    cosines = embeddings.to(real) @ F.normalize(centres.to(real)).mT
    here = labels >= 0
    own = F.one_hot(labels.clamp_min(0), max(1, len(centres)))[:, : len(centres)].bool() & here[:, None]
    target = cosines.masked_fill(~own, 0).sum(dim=1)
    logits = (scale * cosines).masked_fill(cosines > threshold, 0)
    rest = logits.masked_fill(own, -math.inf).logsumexp(dim=1)
    share = (logits - rest[:, None]).exp().masked_fill(own, 0)
    return rest, target, (share * logits).sum(dim=1).detach()


def forward(
    embeddings: Tensor,
    centres: Tensor,
    labels: Tensor,
    scale: float,
    threshold: float,
    want_mean: bool,
    precision: str,
    block: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`class_softmax_reference` as the op calls it; the inverse norms are not needed."""
    rest, target, mean = class_softmax_reference(embeddings, centres, labels, scale, threshold)
    return rest, target, mean, rest.new_zeros(len(centres))


def backward(
    grad_rest: Tensor,
    grad_target: Tensor,
    rest: Tensor,
    inverse_norms: Tensor,
    embeddings: Tensor,
    centres: Tensor,
    labels: Tensor,
    scale: float,
    threshold: float,
    precision: str,
    block: int,
) -> tuple[Tensor, Tensor]:
    """The gradients of embeddings and centres, written out.

    With g the gradient of the cosines (B, C), w the centres and u = w / |w|:

        g_ij = scale * grad_rest_i * exp(scale cos_ij - rest_i), and grad_target_i where j is the target
        dE = g u        dw_j = (v_j - <v_j, u_j> u_j) / |w_j| with v = g^T E
    """
    real = rest.dtype
    e, norms = embeddings.to(real), centres.to(real).norm(dim=1, keepdim=True).clamp_min(SMALLEST_NORM)
    unit = centres.to(real) / norms
    cosines = e @ unit.mT
    share = (scale * cosines - rest[:, None]).exp().masked_fill(cosines > threshold, 0)
    own = labels[:, None] == torch.arange(len(centres), device=labels.device)
    gradient = torch.where(own, grad_target[:, None], scale * grad_rest[:, None] * share)
    slope = gradient.mT @ e
    slope = (slope - (slope * unit).sum(dim=1, keepdim=True) * unit) / norms
    return (gradient @ unit).to(embeddings.dtype), slope.to(centres.dtype)
