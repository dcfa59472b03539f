"""Entropy-guided hard sample mining (EHSM): samples whose tokens carry little information weigh more in the loss."""

from __future__ import annotations

import math

from torch import Tensor

from vitrail_transface.config import EHSMConfig

DEFAULT = EHSMConfig()
SMALLEST = 1e-6
"""Standard deviations below this have the Gaussian entropy of this one, which would go to minus infinity."""


def token_entropy(spread: Tensor, kind: str = "std") -> Tensor:
    """The information of each token from its standard deviation sigma, in the same shape.

    kind: "std": sigma itself, which the authors' code uses for its numerical stability; "gaussian": the differential
    entropy of a normal distribution, ln sigma + (1 + ln 2 pi) / 2, in nats.
    """
    if kind == "std":
        return spread
    if kind == "gaussian":
        return spread.clamp_min(SMALLEST).log() + 0.5 * (1 + math.log(2 * math.pi))
    raise ValueError(f"kind is {kind!r}; wanted is std or gaussian.")


def sample_weights(spread: Tensor, config: EHSMConfig = DEFAULT) -> Tensor:
    """eta = 1 + exp(-gamma * mean over the tokens of their entropy), one weight a sample.

    spread: (B, N), the standard deviations of the gated tokens (`TrainingOutput.spread`), 0 or above.

    Returns (B,) in the spread's dtype; from 1 to 2 with "std". The loss of a batch is mean_i eta_i CE_i. Without
    `config.detach` the weights have a gradient.

    Source: TransFace, arXiv 2308.10133, EHSM.
    """
    spread = spread.detach() if config.detach else spread
    score = config.gamma * token_entropy(spread, config.entropy).mean(dim=1)
    return 1 + (-score).exp()
