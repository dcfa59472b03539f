"""The networks, as diffusers and transformers have them, and their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from diffusers.models.attention_processor import Attention
    from transformers import CLIPTextModel, CLIPTokenizer

LATENT = 4
"""Channels of a latent, a quarter of the picture wide and high."""


@dataclass(frozen=True, kw_only=True)
class BaseConfig:
    """size: pixels of a picture. autoencoder, unet: channels of their resolutions, from the finest one. text: width of
    the text encoder, text_layers: how many it has. heads: width of a head of attention."""

    size: int = 64
    autoencoder: tuple[int, ...] = (32, 64, 64)
    unet: tuple[int, ...] = (48, 64, 80)
    text: int = 96
    text_layers: int = 2
    heads: int = 16


def small() -> BaseConfig:
    """64 x 64 pixels, for two cores of a CPU."""
    return BaseConfig()


def large() -> BaseConfig:
    """128 x 128 pixels, for a GPU."""
    return BaseConfig(size=128, unet=(64, 80, 96), text=128)


def make_autoencoder(config: BaseConfig) -> AutoencoderKL:
    from diffusers import AutoencoderKL

    levels = len(config.autoencoder)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=LATENT,
        block_out_channels=config.autoencoder,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1,
        norm_num_groups=16,
        sample_size=config.size,
        mid_block_add_attention=False,
    )


def make_unet(config: BaseConfig) -> UNet2DConditionModel:
    """With attention to the words in every resolution."""
    from diffusers import UNet2DConditionModel

    levels = len(config.unet)
    return UNet2DConditionModel(
        sample_size=config.size // 4,
        in_channels=LATENT,
        out_channels=LATENT,
        block_out_channels=config.unet,
        down_block_types=("CrossAttnDownBlock2D",) * levels,
        up_block_types=("CrossAttnUpBlock2D",) * levels,
        layers_per_block=1,
        cross_attention_dim=config.text,
        # diffusers' name for the number of heads
        attention_head_dim=tuple(width // config.heads for width in config.unet),
        norm_num_groups=16,
    )


def make_text_encoder(config: BaseConfig, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.text,
            intermediate_size=4 * config.text,
            projection_dim=config.text,
            num_hidden_layers=config.text_layers,
            num_attention_heads=config.text // config.heads,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def make_scheduler() -> DDIMScheduler:
    """The noise of Stable Diffusion 1.5."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        num_train_timesteps=1000,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


class Float32Attention:
    """Attention of a UNet's blocks that stays in fp32 inside a network in bf16.

    On a CPU torch's attention in bf16 takes four times as long as in fp32, while the rest gains.
    """

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_: Any
    ) -> Tensor:
        """(B, n, C), with words (B, m, D) or its own -> (B, n, C)."""
        words = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            layer(side).unflatten(-1, (attn.heads, -1)).transpose(1, 2).float()
            for layer, side in ((attn.to_q, hidden_states), (attn.to_k, words), (attn.to_v, words))
        )
        with torch.autocast(query.device.type, enabled=False):
            mixed = F.scaled_dot_product_attention(query, key, value)
        return attn.to_out[0](mixed.transpose(1, 2).flatten(2))
