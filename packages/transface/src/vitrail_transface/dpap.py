"""Dominant patch amplitude perturbation (DPAP): some images get foreign amplitude in the patches that matter most.

The gates of the clean batch (see `probe`) say which patches those are. Donors are patches of the clean batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vitrail_transface.config import TOKENS, DPAPConfig
from vitrail_transface.kernels.amplitude_mix import amplitude_mix

DEFAULT = DPAPConfig()


class Draws(NamedTuple):
    """What chance decides for a batch of B images with K patches each.

    chosen: (B,) bool, which images are perturbed. donors: (B, K) int64, a patch of any image, numbered image by image
    and row by row. share: (B, K) float32, how much of the amplitude is the donor's.
    """

    chosen: Tensor
    donors: Tensor
    share: Tensor


def draw(batch: int, config: DPAPConfig, generator: torch.Generator) -> Draws:
    """Draw for a batch; the tensors are on the generator's device, and as many numbers are taken every time."""
    shape, where = (batch, config.tokens), {"generator": generator, "device": generator.device}
    return Draws(
        chosen=torch.rand(batch, **where) < config.probability,
        donors=torch.randint(max(1, batch * TOKENS), shape, **where),
        share=config.alpha * torch.rand(shape, **where),
    )


def dominant(gates: Tensor, count: int) -> Tensor:
    """The patches with the largest gates: (B, N) -> (B, count) int64, largest first."""
    return gates.topk(count, dim=1).indices


def perturb(
    images: Tensor, gates: Tensor, *, config: DPAPConfig = DEFAULT, generator: torch.Generator
) -> Tensor:
    """A perturbed copy of a batch.

    Args:
        images: (B, 3, 112, 112), normalised to -1..1, after flipping. Not changed.
        gates: (B, 144) of the same images, as `probe_gates` gives them.
        config: how many images and patches, and how strongly.
        generator: draws everything; on the CPU, so that a run draws the same on every device, or on the images' device.

    Returns:
        (B, 3, 112, 112). Images that were not chosen, and all pixels outside the chosen patches, are bit-identical.

    Raises ValueError for gates of another shape.

    Source: TransFace, arXiv 2308.10133, DPAP; the values are those of the authors' code.
    """
    if gates.shape != (images.shape[0], TOKENS):
        raise ValueError(
            f"gates have shape {tuple(gates.shape)}; wanted is {(images.shape[0], TOKENS)} for these images."
        )
    chosen, donors, share = (
        x.to(images.device, non_blocking=True) for x in draw(len(images), config, generator)
    )
    first = torch.arange(len(images), device=images.device) * TOKENS
    targets = first[:, None] + dominant(gates, config.tokens)
    return amplitude_mix(
        images,
        targets.flatten(),
        donors.flatten(),
        share.flatten(),
        chosen[:, None].expand_as(targets).flatten(),
        floor=config.fidelity == "released",
    )
