"""Losses for training segmenters: smoothed cross entropy, Dice, and their sum over several heads.

This module needs torch; install `vitrail-segmentation[train]`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

IGNORE = 255
Loss = Callable[[Tensor, Tensor], Tensor]


def soft_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    smoothing: float = 0.05,
    ignore: int = IGNORE,
    average: Literal["all", "valid"] = "all",
    class_weights: Tensor | None = None,
    reduce_across_ranks: bool = False,
) -> Tensor:
    """Cross entropy with label smoothing: (1 - e) * -log p_y + (e / K) * sum_c -log p_c, averaged.

    logits: (B, K, H, W). labels: (B, H, W) integers, 0 to K - 1 or `ignore`. Returns a scalar, float32 or float64.

    average: "all" divides by the number of pixels, ignored ones among them, as the CM-UNet and GeoSeg
        training code does, so that a batch of mostly ignored pixels weighs little; "valid" divides by the
        number of labelled pixels (by the sum of their weights where `class_weights` are given).
    class_weights: (K,), multiplies each pixel's loss by the weight of its own class.
    reduce_across_ranks: divide by the count of all ranks together rather than by each rank's own.
    A batch without any labelled pixel gives 0.
    """
    log_p = _full_precision(logits).log_softmax(dim=1)
    valid = labels != ignore
    targets = labels.masked_fill(~valid, 0).long()
    own = -log_p.gather(1, targets[:, None])[:, 0]
    everything = -log_p.mean(dim=1)
    weight = valid.to(log_p.dtype)
    if class_weights is not None:
        weight = weight * class_weights.to(log_p)[targets]
    total = (((1 - smoothing) * own + smoothing * everything) * weight).sum()
    count = weight.sum() if average == "valid" else weight.new_tensor(float(labels.numel()))
    if reduce_across_ranks:
        count = mean_across_ranks(count)
    # Weights far below 1 are no reason to change the mean, so only an exact zero is replaced.
    return total / torch.where(count > 0, count, torch.ones_like(count))


def dice_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    smooth: float = 0.05,
    ignore: int = IGNORE,
    reduce_across_ranks: bool = False,
) -> Tensor:
    """1 - (2 I + s) / (P + Y + s) for each class over the whole batch; 0 for classes that no label names.

    I, P and Y are sums over all labelled pixels of the batch: of the probability where the label is this
    class, of the probability, and of the labels. The mean is over all K classes, absent ones included.

    logits: (B, K, H, W). labels: (B, H, W), 0 to K - 1 or `ignore`. Returns a scalar.
    reduce_across_ranks: Dice is not a mean over samples, so the sums of all ranks are added first; every
        rank then returns the same value.
    """
    probability = _full_precision(logits).softmax(dim=1)
    valid = labels != ignore
    targets = labels.masked_fill(~valid, 0).long()
    one_hot = torch.zeros_like(probability).scatter_(
        1, targets[:, None], valid[:, None].to(probability.dtype)
    )
    probability = probability * valid[:, None]
    axes = (0, 2, 3)
    sums = torch.stack([(probability * one_hot).sum(axes), probability.sum(axes), one_hot.sum(axes)])
    if reduce_across_ranks:
        from vitrail_training.distributed import sum_across

        sums = sum_across(sums)
    overlap, predicted, labelled = sums
    score = (2 * overlap + smooth) / (predicted + labelled + smooth).clamp_min(1e-7)
    return ((1 - score) * (labelled > 0)).mean()


def joint_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    smoothing: float = 0.05,
    smooth: float = 0.05,
    ignore: int = IGNORE,
    average: Literal["all", "valid"] = "all",
    class_weights: Tensor | None = None,
    dice_weight: float = 1.0,
    reduce_across_ranks: bool = False,
) -> Tensor:
    """Smoothed cross entropy plus `dice_weight` times Dice, each with its own options; see above."""
    cross_entropy = soft_cross_entropy(
        logits,
        labels,
        smoothing=smoothing,
        ignore=ignore,
        average=average,
        class_weights=class_weights,
        reduce_across_ranks=reduce_across_ranks,
    )
    if dice_weight == 0:
        return cross_entropy
    dice = dice_loss(logits, labels, smooth=smooth, ignore=ignore, reduce_across_ranks=reduce_across_ranks)
    return cross_entropy + dice_weight * dice


def deep_supervision(
    loss: Loss, logits: Tensor, heads: Sequence[Tensor], labels: Tensor, *, weight: float = 0.4
) -> Tensor:
    """loss(logits) + weight * the sum of loss(head) over auxiliary heads of lower resolution.

    logits: (B, K, H, W). heads: (B, K, h, w) each, enlarged bilinearly with align_corners=True.
    """
    total = loss(logits, labels)
    for head in heads:
        enlarged = functional.interpolate(head, size=labels.shape[-2:], mode="bilinear", align_corners=True)
        total = total + weight * loss(enlarged, labels)
    return total


def inverse_frequency_weights(
    counts: Sequence[int], *, power: float = 0.5, limit: float = 10.0
) -> list[float]:
    """Weights (K,) proportional to count ** -power, 1 on average over pixels, none above `limit`.

    A class that never occurs gets weight 0: it cannot be learnt, and its weight is never used.
    """
    total = float(sum(counts))
    raw = [(total / count) ** power if count else 0.0 for count in counts]
    mean = sum(value * count for value, count in zip(raw, counts, strict=True)) / max(total, 1.0)
    return [min(value / mean, limit) if mean else 1.0 for value in raw]


def _full_precision(logits: Tensor) -> Tensor:
    """Sums over a million pixels need float32 also under autocast."""
    return logits if logits.dtype in (torch.float32, torch.float64) else logits.float()


def mean_across_ranks(count: Tensor) -> Tensor:
    """What a rank's own sum is divided by, so that the loss is a mean over the pixels of all ranks: the mean of their
    counts, since the average of gradients divides by the number of ranks once more."""
    from vitrail_training.distributed import sum_across

    ranks = sum_across(torch.ones_like(count))
    return sum_across(count) / ranks
