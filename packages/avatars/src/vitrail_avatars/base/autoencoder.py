"""Training the autoencoder that turns pictures into latents of a quarter of their width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from vitrail_avatars.base.networks import LATENT, BaseConfig, make_autoencoder
from vitrail_training import Task

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

KL, EDGES = 1e-6, 0.5
"""Weights of the divergence from a standard normal, and of the differences between neighbouring pixels."""


class Pictures:
    """Pictures (N, S, S, 3) uint8 as samples: turned left to right at random, with the noise of the latent."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
        image = self.images[index]
        if rng.random() < 0.5:  # only here: captions know left and right
            image = image[:, ::-1]
        side = image.shape[0] // 4
        return {
            "image": np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / 127.5 - 1,
            "noise": rng.standard_normal((LATENT, side, side), np.float32),
        }


class Rebuilding(nn.Module):
    """The autoencoder's forward pass with given noise: the picture as it comes back, and the divergence."""

    def __init__(self, autoencoder: AutoencoderKL) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, image: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        latent = self.autoencoder.encode(image).latent_dist
        return self.autoencoder.decode(latent.mean + latent.std * noise).sample, latent.kl().mean()


class AutoencoderTask(Task):
    """test: pictures (N, S, S, 3) uint8 of other people, by which the PSNR is measured."""

    def __init__(self, config: BaseConfig, images: NDArray[np.uint8], test: NDArray[np.uint8]) -> None:
        super().__init__(Rebuilding(make_autoencoder(config)), Pictures(images))
        self.test, self.settings = test, asdict(config)

    @property
    def autoencoder(self) -> AutoencoderKL:
        return self.model.autoencoder  # type: ignore[return-value]

    def loss(self, model: nn.Module, batch: dict[str, Any], step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Squared error of pixels and of the differences between neighbours, which keeps edges sharp."""
        image = batch["image"]
        back, divergence = model(image, batch["noise"])
        pixels = F.mse_loss(back, image)
        edges = sum(F.mse_loss(back.diff(dim=axis), image.diff(dim=axis)) for axis in (2, 3))
        return pixels + EDGES * edges + KL * divergence, {"psnr": -10 * torch.log10(pixels.detach() / 4)}

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        return {"psnr": psnr(model.autoencoder, self.test)}


@torch.no_grad()
def psnr(autoencoder: AutoencoderKL, images: NDArray[np.uint8], batch: int = 32) -> float:
    """Mean peak signal-to-noise ratio of pictures (N, S, S, 3) that went through the means of their latents, dB."""
    found = []
    for start in range(0, len(images), batch):
        image = as_input(images[start : start + batch]).to(autoencoder.device)
        back = autoencoder.decode(autoencoder.encode(image).latent_dist.mean).sample.clamp(-1, 1)
        error = (back - image).square().mean(dim=(1, 2, 3)) / 4
        found.append(-10 * torch.log10(error.clamp_min(1e-10)))
    return float(torch.cat(found).mean())


@torch.no_grad()
def encode(autoencoder: AutoencoderKL, images: NDArray[np.uint8], batch: int = 64) -> Tensor:
    """Means of the latents of pictures (N, S, S, 3) uint8: (N, 4, S / 4, S / 4), on the CPU."""
    parts = [
        autoencoder.encode(
            as_input(images[start : start + batch]).to(autoencoder.device)
        ).latent_dist.mean.cpu()
        for start in range(0, len(images), batch)
    ]
    return torch.cat(parts)


def as_input(images: NDArray[np.uint8]) -> Tensor:
    """(N, S, S, 3) uint8 -> (N, 3, S, S) float32, -1 to 1."""
    return torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32)) / 127.5 - 1
