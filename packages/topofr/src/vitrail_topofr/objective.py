"""What is minimised: the weighed classification loss plus the structure alignment (TopoFR, after Eq. 8)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vitrail_topofr.config import MethodConfig
from vitrail_topofr.damage import alternating_signs, damage_weights, fit_mixture, random_signs
from vitrail_topofr.structure import structure_loss


class Terms(NamedTuple):
    """loss: the scalar to minimise. The rest is without gradient, for the log: the mean cross entropy, the
    structure loss before alpha, the mean weight, the mixture's share pi, and the mean length of the
    embeddings, all scalars."""

    loss: Tensor
    cross_entropy: Tensor
    structure: Tensor
    weight: Tensor
    share: Tensor
    norm: Tensor


def objective(
    config: MethodConfig,
    *,
    clean: Tensor,
    embeddings: Tensor,
    cross_entropy: Tensor,
    entropy: Tensor | None,
    generator: torch.Generator,
) -> Terms:
    """mean(omega CE) + alpha L_sa of one process's batch; the topology is never gathered over processes.

    Args:
        clean: (n, 3, H, W), normalised images before the perturbation (`perturb` returns them).
        embeddings: (n, D), of the perturbed images, not normalised.
        cross_entropy: (n,), of the margin softmax, not reduced; exp of its negative is the focal factor's g.
        entropy: (n,), of the predictions (`prediction_entropy`); not needed with damage=False.
        generator: of the CPU, for the signs of the entropies.

    Raises ValueError where `entropy` is missing.
    """
    weights = torch.ones_like(cross_entropy, dtype=torch.float32)
    share = weights.new_zeros(())
    if config.damage:
        if entropy is None:
            raise ValueError(
                "damage is on and no entropy was given; wanted are the predictions' entropies (n,)."
            )
        count, device = len(entropy), entropy.device
        if config.fidelity == "released":
            signs = alternating_signs(count, device=device)
        else:
            signs = random_signs(count, generator=generator, device=device)
        mixture = fit_mixture(entropy, signs, fidelity=config.fidelity)
        share = mixture.share.float()
        weights = damage_weights(
            mixture.easy,
            (-cross_entropy.float()).exp(),
            power=config.power,
            fidelity=config.fidelity,
            focal_gradient=config.focal_gradient,
        )
    loss = (weights * cross_entropy).mean()
    structure = embeddings.new_zeros((), dtype=torch.float32)
    if config.alpha:
        matching = "sorted" if config.fidelity == "released" else "edges"
        structure = structure_loss(clean, embeddings, matching=matching)
        loss = loss + config.alpha * structure
    norm = embeddings.detach().float().norm(dim=1).mean()
    return Terms(
        loss, cross_entropy.detach().mean(), structure.detach(), weights.detach().mean(), share, norm
    )
