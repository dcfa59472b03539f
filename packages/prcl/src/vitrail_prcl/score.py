"""How alike two pixels are whose representations are Gaussians."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

Reduction = Literal["mean", "sum"]


def mutual_likelihood_score(
    mean: Tensor,
    variance: Tensor,
    other_mean: Tensor,
    other_variance: Tensor,
    *,
    reduction: Reduction = "mean",
    length: float = 1.0,
) -> Tensor:
    """-1/2 of the mean, or the sum, over D of (m - m')^2 / (v + v') + ln(v + v'), where the means have one length.

    It is the logarithm of the likelihood that both are one point, without its constant (Shi and Jain 2019, Eq. 3;
    PRCL, arXiv 2210.14670, Eq. 2). The paper's sum and the authors' mean differ by the factor D, which is one of
    temperature alone.

    Args:
        mean, other_mean: (..., D), of any length; they are divided by it.
        variance, other_variance: (..., D), the diagonals of the covariances; their sum must be above 0.
        length: that of the means. In the paper 1, so that (m - m')^2 is about 2 / D where two means have nothing in
            common; with the root of D it is about 2, of the size of a variance.

    Returns:
        (...), by the usual broadcasting.
    """
    apart = length * (F.normalize(mean, dim=-1) - F.normalize(other_mean, dim=-1))
    spread = variance + other_variance
    terms = apart.square() / spread + spread.log()
    return -0.5 * (terms.mean(dim=-1) if reduction == "mean" else terms.sum(dim=-1))


def score_scale(width: int, temperature: float, reduction: Reduction) -> float:
    """What the score's sum over D is multiplied by in a softmax: 1 / (D T) for the mean, 1 / T for the sum."""
    return 1 / (temperature * (width if reduction == "mean" else 1))
