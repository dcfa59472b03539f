"""Made-up people: a smooth random picture each, and noise on it, as a folder of identities."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def people() -> Callable[..., Path]:
    """people(root, identities, each, seed, first): pictures first, first + 1, ... of everybody, 112 x 112."""

    def make(root: Path, identities: int = 4, each: int = 4, *, seed: int = 0, first: int = 0) -> Path:
        for person in range(identities):
            coarse = np.random.default_rng((seed, person)).integers(0, 256, (7, 7, 3)).astype(np.uint8)
            smooth = np.asarray(Image.fromarray(coarse).resize((112, 112), Image.Resampling.BICUBIC), float)
            folder = root / f"person{person:02d}"
            folder.mkdir(parents=True)
            for number in range(first, first + each):
                rng = np.random.default_rng((seed, person, number))
                shifted = np.roll(smooth, rng.integers(-4, 5, 2), axis=(0, 1))
                noisy = shifted * rng.uniform(0.7, 1.2) + rng.normal(0, 25, smooth.shape)
                Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number:02d}.png")
        return root

    return make


@pytest.fixture(scope="session")
def folder(people, tmp_path_factory) -> Path:
    """Four identities with four pictures. Not to be changed."""
    return people(tmp_path_factory.mktemp("people") / "four")
