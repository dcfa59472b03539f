"""From a file of pictures to a folder that `StableDiffusionPipeline.from_pretrained` loads."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file

from vitrail.errors import UsageError
from vitrail.files import atomic_folder, write_text
from vitrail_avatars.base.autoencoder import AutoencoderTask, encode
from vitrail_avatars.base.diffusion import Denoiser, DiffusionTask, Latents
from vitrail_avatars.base.drawing import checked
from vitrail_avatars.base.networks import BaseConfig, large, make_autoencoder, make_scheduler, small
from vitrail_avatars.base.picture_file import PictureFile
from vitrail_avatars.base.words import train_tokenizer
from vitrail_training import FitConfig, fit
from vitrail_training.distributed import on_main

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, StableDiffusionPipeline
    from transformers import CLIPTokenizer

HELD = 64
"""So many people, the last ones of the file, are for testing; a fifth of them where there are few."""


@dataclass(frozen=True, kw_only=True)
class BaseTraining:
    """networks, and the runs of the autoencoder and of the denoiser."""

    networks: BaseConfig
    autoencoder: FitConfig
    denoiser: FitConfig


def preset(name: str) -> BaseTraining:
    """`small`: 64 x 64 pixels, some hours on two cores. `large`: 128 x 128, for a GPU."""
    if name not in ("small", "large"):
        raise UsageError(f"preset is {name}; wanted is small or large.")
    usual = FitConfig(
        batch_size=16, lr=1e-3, weight_decay=0.01, schedule="cosine", warmup=200, clip_norm=1.0, ema=0.999,
        precision="bf16", eval_every=1000, log_every=100,
    )  # fmt: skip
    first = replace(usual, steps=3000)
    second = replace(usual, steps=40_000, batch_size=32, ema=0.9995)
    if name == "large":
        first, second = (replace(c, steps=20_000, batch_size=64) for c in (first, second))
    return BaseTraining(networks=small() if name == "small" else large(), autoencoder=first, denoiser=second)


def train_base(
    data: Path | str, config: BaseTraining, *, out: Path | str, begin: Path | str | None = None
) -> Path:
    """Both runs, below `out`; what is finished is not repeated, and what was stopped goes on. Returns `out/pipeline`.
    Under torchrun every process calls it alike.

    begin: a pipeline of these networks that was trained before. Its autoencoder and tokenizer stay as they are, and its
    denoiser is trained further.

    UsageError for pictures of another size, other networks in `begin`, or another run in `out`.
    """
    out = Path(out)
    pictures = PictureFile.open(data)
    if pictures.images.shape[1] != config.networks.size:
        raise UsageError(
            f"{data} has pictures of {pictures.images.shape[1]} pixels; this preset is for {config.networks.size}."
        )
    people = np.unique(pictures.identities)
    held = np.isin(pictures.identities, people[-min(HELD, max(1, len(people) // 5)) :])
    before = None if begin is None else _read(Path(begin), config.networks)
    if before is None:
        autoencoder = _autoencoder(pictures, held, config, out / "autoencoder")
        tokenizer = on_main(lambda: train_tokenizer(pictures.captions))
    else:  # networks made anew, for those that were read know the folder, and would write its path
        autoencoder, tokenizer = make_autoencoder(config.networks).eval(), before.tokenizer
        autoencoder.load_state_dict(before.vae.state_dict())
    latents = encode(autoencoder, pictures.images)
    scale = float(1 / latents.std()) if before is None else before.vae.config.scaling_factor
    tokens = np.array(tokenizer(pictures.captions, padding="max_length", truncation=True).input_ids)
    empty = np.array(tokenizer("", padding="max_length").input_ids)
    torch.manual_seed(config.denoiser.seed)
    task = DiffusionTask(
        config.networks,
        tokenizer,
        Latents(latents[~held] * scale, tokens[~held], empty),
        Latents(latents[held] * scale, tokens[held], empty),
    )
    denoiser = task.model
    assert isinstance(denoiser, Denoiser)
    if before is not None:
        denoiser.unet.load_state_dict(before.unet.state_dict())
        denoiser.text_encoder.load_state_dict(before.text_encoder.state_dict())
    fit(task, config.denoiser, out=out / "denoiser", resume="auto")
    denoiser.load_state_dict(load_file(out / "denoiser" / "final" / "model.safetensors"))
    return on_main(lambda: write_pipeline(out / "pipeline", autoencoder, tokenizer, denoiser, scale))


def _read(folder: Path, networks: BaseConfig) -> StableDiffusionPipeline:
    """UsageError for what is no pipeline, or one of other networks."""
    from diffusers import StableDiffusionPipeline

    found = StableDiffusionPipeline.from_pretrained(checked(folder))
    words = found.text_encoder.config
    there = replace(
        networks,
        size=4 * found.unet.config.sample_size,
        autoencoder=tuple(found.vae.config.block_out_channels),
        unet=tuple(found.unet.config.block_out_channels),
        text=words.hidden_size,
        text_layers=words.num_hidden_layers,
    )
    if there != networks:
        raise UsageError(f"{folder} holds other networks ({there}) than this preset ({networks}).")
    return found


def _autoencoder(pictures: PictureFile, held: np.ndarray, config: BaseTraining, out: Path) -> AutoencoderKL:
    """Trained, or read where the run is finished."""
    torch.manual_seed(config.autoencoder.seed)
    task = AutoencoderTask(config.networks, pictures.images[~held], pictures.images[held][:256])
    fit(task, config.autoencoder, out=out, resume="auto")
    autoencoder = make_autoencoder(config.networks)
    weights = load_file(out / "final" / "model.safetensors")
    autoencoder.load_state_dict({name.removeprefix("autoencoder."): value for name, value in weights.items()})
    return autoencoder.eval()


def write_pipeline(
    out: Path, autoencoder: AutoencoderKL, tokenizer: CLIPTokenizer, denoiser: Denoiser, scale: float
) -> Path:
    """A folder in diffusers' layout, its weights in fp16, which load as fp32 like any. One that is there gives way.

    scale: what brings latents to a standard deviation of 1.
    """
    with atomic_folder(out.with_name(f"{out.name}.new")) as folder:
        made = pipeline(autoencoder, tokenizer, denoiser, scale)
        for part in (made.vae, made.unet, made.text_encoder):
            part.half()
        made.save_pretrained(folder)
        # transformers would load what was saved in fp16 as fp16, and diffusers its own networks as fp32.
        about = folder / "text_encoder" / "config.json"
        write_text(about, json.dumps(json.loads(about.read_text()) | {"dtype": "float32"}, indent=2) + "\n")
    if out.exists():  # of fewer steps
        shutil.rmtree(out)
    return out.with_name(f"{out.name}.new").rename(out)


def pipeline(
    autoencoder: AutoencoderKL, tokenizer: CLIPTokenizer, denoiser: Denoiser, scale: float
) -> StableDiffusionPipeline:
    from diffusers import StableDiffusionPipeline

    autoencoder.register_to_config(scaling_factor=scale)
    return StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=denoiser.text_encoder,
        tokenizer=tokenizer,
        unet=denoiser.unet,
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
