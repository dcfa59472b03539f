"""Softmax over many classes by cosine, without the (batch x classes) logits.

>>> rest, target, mean = class_softmax(embeddings, centres, labels, scale=64.0)
>>> loss = softplus(rest - margin(target)).mean()

It gives the log-sum-exp over the *other* classes and the target's cosine apart, a number each per sample. A margin
changes the target's logit alone, so it is applied outside, and so is the sum over processes that hold other classes.

`reference.py` is the definition, `chunked.py` (backend "cpu") and `triton.py` are fast. `VITRAIL_KERNELS` chooses; see
`vitrail_training.kernels.choose`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vitrail_recognition.kernels.class_softmax import backends
from vitrail_recognition.kernels.class_softmax.backends import doctor
from vitrail_recognition.kernels.class_softmax.op import class_softmax_op
from vitrail_recognition.kernels.class_softmax.parts import merge

__all__ = ["ClassSoftmax", "class_softmax", "doctor", "merge"]

PRECISIONS = ("float32", "bfloat16", "float16")


class ClassSoftmax(NamedTuple):
    """rest: log sum_j exp(scale * cos_j) over the classes j that are not the target; -inf if there are none.
    target: the target's cosine, 0 where the label is -1.
    mean: the mean of the other classes' logits, weighted by their softmax; no gradient; 0 unless asked for."""

    rest: Tensor
    target: Tensor
    mean: Tensor


def class_softmax(
    embeddings: Tensor,
    centres: Tensor,
    labels: Tensor,
    *,
    scale: float = 64.0,
    threshold: float | None = None,
    want_mean: bool = False,
    precision: str | None = None,
    block: int = 0,
    backend: str | None = None,
) -> ClassSoftmax:
    """The softmax of scale * cosine over the classes, in parts from which any margin loss follows.

    Args:
        embeddings: (B, D), any float dtype, of unit length (they are used as they are).
        centres: (C, D), any float dtype and length; they are normalised here, and have gradients.
        labels: (B,) integers, 0 to C - 1, or -1 where the class is not among these centres.
        scale: what cosines are multiplied by.
        threshold: other classes with a cosine above it count with logit 0 and get no gradient (inter-class
            filtering of Partial FC, An et al., arXiv 2203.15565, against labels in conflict).
        want_mean: compute `mean`, from which the entropy of the softmax follows.
        precision: dtype of the matrix products on a GPU, "float32", "bfloat16" or "float16"; by default that of
            autocast, else that of the inputs. Sums are float32, and so is the target's cosine. In "float32"
            torch.backends.cuda.matmul.allow_tf32 counts.
        block: classes at a time, 0 for what suits the backend.
        backend: overrides `VITRAIL_KERNELS`.

    Returns:
        rest, target and mean, (B,) float32 (float64 for float64 inputs).

    Raises:
        UsageError: a backend was asked for that is unknown or cannot run here.
        ValueError: shapes or dtypes that do not fit. Labels are not looked at (a GPU would have to wait).
    """
    _check(embeddings, centres, labels)
    dtype = torch.promote_types(embeddings.dtype, centres.dtype)
    if precision is None:
        device = embeddings.device.type
        lowered = torch.is_autocast_enabled(device) and dtype != torch.float64
        short = torch.get_autocast_dtype(device) if lowered else dtype
        precision = str(short).removeprefix("torch.") if short.itemsize == 2 else "float32"
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; wanted is one of {', '.join(PRECISIONS)}.")
    name = backends.pick(
        embeddings.to(dtype) if embeddings.numel() < 2 else embeddings[:1].to(dtype), backend
    )
    bound = math.inf if threshold is None else float(threshold)
    rest, target, mean, _ = class_softmax_op(
        embeddings, centres, labels, float(scale), bound, want_mean, precision, block, name
    )
    return ClassSoftmax(rest, target, mean)


def _check(embeddings: Tensor, centres: Tensor, labels: Tensor) -> None:
    if embeddings.dim() != 2 or centres.dim() != 2 or embeddings.shape[1] != centres.shape[1]:
        raise ValueError(
            f"embeddings and centres must be (B, D) and (C, D); they are {tuple(embeddings.shape)} and "
            f"{tuple(centres.shape)}."
        )
    if labels.shape != embeddings.shape[:1] or labels.dtype.is_floating_point:
        raise ValueError(
            f"labels must be integers of shape ({len(embeddings)},); they are {tuple(labels.shape)} {labels.dtype}."
        )
    if not (embeddings.dtype.is_floating_point and centres.dtype.is_floating_point):
        raise ValueError(
            f"embeddings and centres must be of float dtypes; they are {embeddings.dtype} and {centres.dtype}."
        )
