"""Drawing with a model that was trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vitrail.errors import NotInstalledError, UsageError


def draw(
    folder: Path, prompts: Sequence[str], *, steps: int = 30, guidance: float = 4.0, seed: int = 0
) -> NDArray[np.uint8]:
    """A picture for each prompt, (N, S, S, 3) uint8. The same seed gives the same pictures."""
    images = load(folder)(
        list(prompts),
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
    ).images
    return np.round(255 * np.clip(images, 0, 1)).astype(np.uint8)


@lru_cache(maxsize=1)
def load(folder: Path) -> Any:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def checked(folder: Path) -> Path:
    """The folder, if it is in diffusers' layout; UsageError else."""
    if not (folder / "model_index.json").is_file():
        raise UsageError(f"{folder} holds no model_index.json; wanted is a folder in diffusers' layout.")
    return folder


def installed() -> Path:
    """The pipeline of the package vitrail-avatars-base. NotInstalledError without it."""
    found = find_spec("vitrail_avatars_base")
    if found is None or not found.submodule_search_locations:
        raise NotInstalledError(
            "This needs weights: pip install vitrail-avatars-base, or name a folder in diffusers' layout with --model."
        )
    return Path(found.submodule_search_locations[0]) / "pipeline"
