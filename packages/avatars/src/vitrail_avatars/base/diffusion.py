"""Training the denoiser and the text encoder on latents that are already there."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vitrail_avatars.base.networks import (
    BaseConfig,
    Float32Attention,
    make_scheduler,
    make_text_encoder,
    make_unet,
)
from vitrail_training import Task

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

UNTOLD = 0.1
"""In so many samples the caption is empty, for guidance without a classifier."""

MOST_WEIGHT = 5.0
"""Weights of steps with little noise are cut off here (Hang et al., "Min-SNR", ICCV 2023, eq. 5)."""


class Latents:
    """latents: (N, 4, h, h), scaled to a standard deviation of 1. tokens: (N, L) int64. empty: (L,), of no caption."""

    def __init__(self, latents: Tensor, tokens: NDArray[np.int64], empty: NDArray[np.int64]) -> None:
        self.latents, self.tokens, self.empty = latents.numpy(), tokens, empty
        self.steps = make_scheduler().config.num_train_timesteps

    def __len__(self) -> int:
        return len(self.latents)

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        latent = self.latents[index]
        return {
            "latent": latent,
            "tokens": self.empty if rng.random() < UNTOLD else self.tokens[index],
            "noise": rng.standard_normal(latent.shape, np.float32),
            "step": int(rng.integers(self.steps)),
        }


class Denoiser(nn.Module):
    def __init__(self, config: BaseConfig, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.unet, self.text_encoder = make_unet(config), make_text_encoder(config, tokenizer)
        if not torch.cuda.is_available():
            self.unet.set_attn_processor(Float32Attention())

    def forward(self, noisy: Tensor, step: Tensor, tokens: Tensor) -> Tensor:
        words = self.text_encoder(tokens).last_hidden_state
        return self.unet(noisy, step, encoder_hidden_states=words).sample


class DiffusionTask(Task):
    """test: latents and tokens of other people, by which the loss is measured; see `Latents`."""

    def __init__(self, config: BaseConfig, tokenizer: CLIPTokenizer, data: Latents, test: Latents) -> None:
        super().__init__(Denoiser(config, tokenizer), data)
        self.test, self.settings = test, asdict(config)
        self.scheduler = make_scheduler()
        share = self.scheduler.alphas_cumprod
        snr = share / (1 - share)
        self.weight = (snr + 1).clamp_max(MOST_WEIGHT) / snr

    def loss(self, model: nn.Module, batch: dict[str, Any], step: int) -> Tensor:
        """Squared error of the noise, weighted as that of the velocity is (Salimans and Ho, "Progressive Distillation",
        ICLR 2022, section 4: snr + 1 of the picture's error, which is snr times smaller than the noise's) and cut off.

        Plain errors of the noise tell almost nothing where noise is all there is, and it is there that a caption says
        most: where the head is turned, for one.
        """
        return (self.weight.to(batch["step"].device)[batch["step"]] * self.error(model, batch)).mean()

    def error(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        """Mean squared error of each sample's noise, (B,)."""
        noisy = self.scheduler.add_noise(batch["latent"], batch["noise"], batch["step"])
        found = model(noisy, batch["step"], batch["tokens"])
        return (found - batch["noise"]).square().mean(dim=(1, 2, 3))

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        rng, errors = np.random.default_rng(0), []
        device = next(model.parameters()).device
        for start in range(0, len(self.test), 64):
            some = [self.test.sample(index, rng) for index in range(start, min(start + 64, len(self.test)))]
            batch = {name: value.to(device) for name, value in self.collate(some).items()}
            errors.append(self.error(model, batch).cpu())
        return {"error": float(torch.cat(errors).mean())}
