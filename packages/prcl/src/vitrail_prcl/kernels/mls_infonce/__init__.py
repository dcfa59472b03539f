"""InfoNCE of Gaussian pixels by the mutual likelihood score, without the (anchors, keys, D) tensors.

>>> loss = mls_infonce(mean, variance, group, *prototypes, *keys, index, virtual, scale=1 / (256 * 0.5)).mean()

`reference.py` is the definition, `cpu.py` (numba) and `triton.py` are fast. `VITRAIL_KERNELS` chooses; see
`vitrail_training.kernels.choose`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_prcl.kernels.mls_infonce.op import BACKENDS, mls_infonce_op

__all__ = ["BACKENDS", "doctor", "mls_infonce", "pick"]

doctor = BACKENDS.doctor


@torch.compiler.assume_constant_result
def pick(mean: Tensor, backend: str | None = None) -> str:
    """The backend that runs for such anchors."""
    return BACKENDS.pick(mean, backend)


def mls_infonce(
    mean: Tensor,
    variance: Tensor,
    group: Tensor,
    positive_mean: Tensor,
    positive_variance: Tensor,
    key_mean: Tensor,
    key_variance: Tensor,
    index: Tensor,
    virtual_mean: Tensor | None = None,
    *,
    scale: float,
    shared: bool = False,
    backend: str | None = None,
) -> Tensor:
    """The loss of each anchor: log-sum-exp of its logits over the positive, N negatives and V virtual negatives,
    minus the logit of the positive. A logit is -scale/2 * sum_l [(a_l - b_l)^2 / (s_l + t_l) + ln(s_l + t_l)].

    Only the anchors' mean and variance have gradients; everything else counts as constant, whatever it requires. The
    gradients are computed with the loss, and are all that is kept: 2 A D numbers.

    Args:
        mean: (A, D), any float dtype; of unit length in the paper, but used as it is.
        variance: (A, D), in the dtype of mean, positive. Below 1e-9 it counts as 1e-9 and gets no gradient.
        group: (A,) int64, 0 to G - 1: whose positive and whose virtual negatives (and shared negatives).
        positive_mean, positive_variance: (G, D), any float dtype; a class prototype each.
        key_mean, key_variance: (P, D), any float dtype; the pixels that negatives are drawn from. Half precision
            halves what is read, which on a GPU is most of the time; sums are float32 all the same.
        index: (A, N) int64, rows of the keys: each anchor's negatives. With `shared` (G, N): each group's.
        virtual_mean: (G, V, D), any float dtype; each group's negatives of variance zero, or None.
        scale: 1 / (D T) for the mean over dimensions at temperature T, 1 / T for the sum.
        shared: whether the anchors of a group share their negatives, which says how `index` is read.
        backend: overrides `VITRAIL_KERNELS`.

    Returns:
        (A,) float32 (float64 for float64 anchors), zero where there is no negative at all. The same input gives the
        same bits. Sums of two variances must lie between 1e-9 and 1e9: logarithms are taken of products of four, and
        beyond that the products leave float32. Numbers in `group` and `index` out of range are an IndexError on the
        CPU and undefined on a GPU.

    Raises:
        UsageError: a backend was asked for that is unknown or cannot run here.
        ValueError: shapes or dtypes that do not fit together.

    Source: PRCL, IJCV 2024, arXiv 2402.18117; the score is that of Probabilistic Face Embeddings, Shi & Jain, 2019.
    """
    if virtual_mean is None:
        virtual_mean = positive_mean.new_empty(len(positive_mean), 0, positive_mean.shape[-1])
    _check_anchors(mean, variance, group)
    _check_keys(
        mean.shape, positive_mean, positive_variance, key_mean, key_variance, index, virtual_mean, shared
    )
    constants = (
        x.detach() for x in (positive_mean, positive_variance, key_mean, key_variance, index, virtual_mean)
    )
    name = pick(mean, backend)
    return mls_infonce_op(mean, variance, group, *constants, float(scale), shared, name)[0]


def _check_anchors(mean: Tensor, variance: Tensor, group: Tensor) -> None:
    if mean.dim() != 2 or mean.shape[1] == 0 or not mean.dtype.is_floating_point:
        raise ValueError(f"mean is {mean.dtype} of shape {tuple(mean.shape)}; wanted are floats (A, D).")
    if variance.shape != mean.shape or variance.dtype != mean.dtype:
        raise ValueError(
            f"variance is {variance.dtype} of shape {tuple(variance.shape)}; wanted is {mean.dtype} "
            f"{tuple(mean.shape)}, as mean."
        )
    if group.shape != mean.shape[:1] or group.dtype != torch.int64:
        raise ValueError(
            f"group is {group.dtype} of shape {tuple(group.shape)}; wanted is int64 ({len(mean)},)."
        )


def _check_keys(
    anchors: torch.Size,
    positive_mean: Tensor,
    positive_variance: Tensor,
    key_mean: Tensor,
    key_variance: Tensor,
    index: Tensor,
    virtual_mean: Tensor,
    shared: bool,
) -> None:
    count, width = anchors
    for name, mean, variance in (
        ("positive", positive_mean, positive_variance),
        ("key", key_mean, key_variance),
    ):
        if mean.dim() != 2 or mean.shape[1] != width or variance.shape != mean.shape:
            raise ValueError(
                f"{name}_mean and {name}_variance have shapes {tuple(mean.shape)} and {tuple(variance.shape)}; "
                f"wanted is ({'G' if name == 'positive' else 'P'}, {width}) for both."
            )
    groups = len(positive_mean)
    if virtual_mean.dim() != 3 or virtual_mean.shape[::2] != (groups, width):
        raise ValueError(
            f"virtual_mean has shape {tuple(virtual_mean.shape)}; wanted is ({groups}, V, {width})."
        )
    rows = groups if shared else count
    if index.dim() != 2 or len(index) != rows or index.dtype != torch.int64:
        raise ValueError(
            f"index is {index.dtype} of shape {tuple(index.shape)}; wanted is int64 ({rows}, N), as shared is {shared}."
        )
    floats = positive_mean, positive_variance, key_mean, key_variance, virtual_mean
    if not all(x.dtype.is_floating_point for x in floats):
        raise ValueError(
            f"positives, keys and virtual negatives must be floats; they are {[x.dtype for x in floats]}."
        )
