"""The definition of the contrastive loss: all logits at once, in the precision of the anchors.

A pixel is a Gaussian with a mean and a variance in each of D dimensions, and the logit of an anchor with a key is the
mutual likelihood score of the two (Shi & Jain, Probabilistic Face Embeddings, 2019) without its constant.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = 1e-9
"""An anchor's variance below it counts as it, and gets no gradient."""

ELEMENTS = 1 << 24  # numbers that `forward` holds in a tensor (anchors, keys, D)


def mutual_likelihood(
    mean: Tensor, variance: Tensor, other_mean: Tensor, other_variance: Tensor, scale: float
) -> Tensor:
    """-scale / 2 * sum_l [(a_l - b_l)^2 / (s_l + t_l) + ln(s_l + t_l)] over the last dimension, with broadcasting."""
    d = variance + other_variance
    return -0.5 * scale * ((mean - other_mean).square() / d + d.log()).sum(dim=-1)


def mls_infonce_reference(
    mean: Tensor,
    variance: Tensor,
    group: Tensor,
    positive_mean: Tensor,
    positive_variance: Tensor,
    key_mean: Tensor,
    key_variance: Tensor,
    index: Tensor,
    virtual_mean: Tensor,
    scale: float,
    shared: bool = False,
) -> Tensor:
    """The loss of each anchor (A,) by definition; autograd gives the gradients. See `mls_infonce`."""
    real = torch.promote_types(mean.dtype, torch.float32)
    a, s = mean.to(real)[:, None], variance.to(real).clamp_min(SMALLEST)[:, None]
    b, t = _keys(
        group, positive_mean, positive_variance, key_mean, key_variance, index, virtual_mean, shared, real
    )
    logits = mutual_likelihood(a, s, b.detach(), t.detach(), scale)
    return logits.logsumexp(dim=1) - logits[:, 0]


def forward(
    mean: Tensor,
    variance: Tensor,
    group: Tensor,
    positive_mean: Tensor,
    positive_variance: Tensor,
    key_mean: Tensor,
    key_variance: Tensor,
    index: Tensor,
    virtual_mean: Tensor,
    scale: float,
    shared: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss (A,) and its gradients by mean and variance (A, D), written out, some anchors at a time.

    With w = softmax(logits), minus 1 at the positive, and d = s + t:

        d loss / d a_l = -scale sum_k w_k (a_l - b_kl) / d_kl
        d loss / d s_l = scale / 2 sum_k w_k [(a_l - b_kl)^2 / d_kl^2 - 1 / d_kl]
    """
    real = torch.promote_types(mean.dtype, torch.float32)
    width, keys = mean.shape[1], 1 + index.shape[1] + virtual_mean.shape[1]
    loss = mean.new_empty(len(mean), dtype=real)
    by_mean, by_variance = (mean.new_empty(mean.shape, dtype=real) for _ in range(2))
    step = max(1, ELEMENTS // (keys * width))
    for first in range(0, len(mean), step):
        part = slice(first, first + step)
        a, s = mean[part].to(real)[:, None], variance[part].to(real).clamp_min(SMALLEST)[:, None]
        b, t = _keys(
            group[part], positive_mean, positive_variance, key_mean, key_variance,
            index if shared else index[part], virtual_mean, shared, real,
        )  # fmt: skip
        logits = mutual_likelihood(a, s, b, t, scale)
        loss[part] = logits.logsumexp(dim=1) - logits[:, 0]
        weight = logits.softmax(dim=1)
        weight[:, 0] = -weight[:, 1:].sum(dim=1)  # what it lacks to 1, without cancellation
        inverse = (s + t).reciprocal()
        ratio = (a - b) * inverse
        by_mean[part] = -scale * (weight[..., None] * ratio).sum(dim=1)
        by_variance[part] = 0.5 * scale * (weight[..., None] * (ratio.square() - inverse)).sum(dim=1)
    return loss, by_mean, by_variance.masked_fill_(variance.to(real) < SMALLEST, 0)


def _keys(
    group, positive_mean, positive_variance, key_mean, key_variance, index, virtual_mean, shared, real
) -> tuple[Tensor, Tensor]:
    """Means and variances (A, 1 + N + V, D) of each anchor's positive, negatives and virtual negatives."""
    rows = index[group] if shared else index
    virtual = virtual_mean[group].to(real)
    means = positive_mean[group][:, None].to(real), key_mean[rows].to(real), virtual
    variances = (
        positive_variance[group][:, None].to(real),
        key_variance[rows].to(real),
        torch.zeros_like(virtual),
    )
    return torch.cat(means, dim=1), torch.cat(variances, dim=1)
