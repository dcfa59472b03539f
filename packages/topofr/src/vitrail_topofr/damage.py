"""SDE: how much a sample's structure is damaged, told by the entropy of its prediction (NeurIPS 2024).

Signed entropies are a mixture of a Gaussian (easy samples) and a uniform distribution (hard ones), the GUM.
The probability of being hard weighs the sample's loss, together with a focal factor.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vitrail_topofr.config import Fidelity

ROUNDS = 1000
ROUNDS_ON_A_DEVICE = 50
FLOOR = 1e-3
CAP = 0.5
SETTLED = 1e-10


class Mixture(NamedTuple):
    """A fitted Gaussian-uniform mixture.

    easy: (n,), the probability of each sample to be of the Gaussian; 1 - easy is the paper's h.
    share: of the Gaussian, pi. variance: Sigma. density: of the uniform distribution, 1 / (2 Omega). All
        scalars.
    """

    easy: Tensor
    share: Tensor
    variance: Tensor
    density: Tensor


def prediction_entropy(logits: Tensor) -> Tensor:
    """-sum g ln(g + 1e-5) with g = softmax(logits), (n, K) -> (n,), float32 or more.

    The logits are those of the loss: with margin and scale.
    """
    wide = logits.float() if logits.dtype.itemsize < 4 else logits
    probabilities = wide.softmax(dim=1)
    return -(probabilities * (probabilities + 1e-5).log()).sum(dim=1)


def random_signs(count: int, *, generator: torch.Generator, device: torch.device | str = "cpu") -> Tensor:
    """+1 or -1 with probability 1/2 each, (count,) float64; `generator` is of the CPU."""
    signs = torch.randint(0, 2, (count,), generator=generator).double() * 2 - 1
    return signs.to(device, non_blocking=True)


def alternating_signs(count: int, *, device: torch.device | str = "cpu") -> Tensor:
    """-1 at even places, +1 at odd ones: the released code."""
    return torch.arange(count, device=device, dtype=torch.float64) % 2 * 2 - 1


@torch.no_grad()
def fit_mixture(
    entropy: Tensor, signs: Tensor, *, fidelity: Fidelity = "paper", rounds: int | None = None
) -> Mixture:
    """Fit the mixture by expectation maximisation (Eq. 3 to 7); float64, no gradient.

    Args:
        entropy: (n,), of the predictions, 0 or more.
        signs: (n,), +1 or -1, which make a normal distribution of half of one.
        fidelity: Omega is sqrt(3 (eta2 - eta1^2)) in "paper" and sqrt(3 eta2 - eta1^2) in "released".
        rounds: at most so many. By default 1000 on a CPU, where it stops when it has settled; elsewhere 50, since
            looking would wait for the device: there it goes on with numbers that no longer change.

    The released code's guards are kept in both (the paper has none): signed entropies are standardised over the
    batch, the variance in the density is never below 0.001, pi never above 0.5, and the uniform's density has a
    floor.
    """
    on_cpu = entropy.device.type == "cpu"
    if rounds is None:
        rounds = ROUNDS if on_cpu else ROUNDS_ON_A_DEVICE
    values = entropy.detach().double() * signs.to(entropy.device, torch.float64)
    count = max(len(values), 1)
    values = values - values.mean() if len(values) else values
    spread = values.square().mean().sqrt() if len(values) else values.new_ones(())
    values = values / torch.where(spread > 1e-12, spread, 1)
    powers = torch.stack((torch.ones_like(values), values, values.square()))  # (3, n)
    totals = powers.sum(dim=1)

    share = values.new_full((), 0.1)
    variance = totals[2] / count
    density = values.new_full((), 0.2)
    easy = torch.ones_like(values)
    before = values.new_full((), math.inf)
    settled = torch.zeros((), dtype=torch.bool, device=values.device)
    for _ in range(rounds):
        gaussian = share * (-powers[2] / (2 * (variance + FLOOR))).exp()
        gaussian = gaussian / (2 * math.pi * (variance + FLOOR)).sqrt()
        uniform = (1 - share) * density
        likelihood = gaussian + uniform
        new_easy = gaussian / likelihood
        moments = powers @ new_easy
        new_share = (moments[0] / count).clamp(max=CAP)
        new_variance = moments[2] / moments[0].clamp(min=1e-12)
        eta = (totals - moments)[1:] / (1 - new_share) / moments[0].clamp(min=1e-12)
        new_density = _density(eta[0], eta[1], fidelity)
        objective = likelihood.sum()
        easy = torch.where(settled, easy, new_easy)
        share = torch.where(settled, share, new_share)
        variance = torch.where(settled, variance, new_variance)
        density = torch.where(settled, density, new_density)
        settled = settled | ((objective - before).abs() < SETTLED)
        before = objective
        if on_cpu and settled:
            break
    return Mixture(easy, share, variance, density)


def _density(eta1: Tensor, eta2: Tensor, fidelity: Fidelity) -> Tensor:
    """1 / (2 Omega)."""
    if fidelity == "released":
        square = 3 * eta2 - eta1.square()
        return torch.where(square.abs() < FLOOR, FLOOR, 1 / (2 * square.clamp(min=0).sqrt() + 1e-10))
    square = 3 * (eta2 - eta1.square())
    return 1 / (2 * square.clamp(min=FLOOR).sqrt())


def damage_weights(
    easy: Tensor,
    target_probability: Tensor,
    *,
    power: float = 1.0,
    fidelity: Fidelity = "paper",
    focal_gradient: bool = False,
) -> Tensor:
    """The weight of each sample's loss, (1 + h)^power (1 - g) with h = 1 - easy (Eq. 8), float32, (n,).

    Args:
        easy: (n,), of a `Mixture`.
        target_probability: (n,), the predicted probability g of the right class.
        fidelity: "released" stores g as a whole number, as the authors' code does: the focal factor is then 1
            wherever g is below 1.
        focal_gradient: let the gradient through 1 - g ("paper" only). By default the weights are constants.
    """
    hardness = (2 - easy.detach().float()) ** power
    focal = target_probability.float()
    if fidelity == "released":
        return hardness * (1 - focal.detach().trunc())
    return hardness * (1 - (focal if focal_gradient else focal.detach()))
