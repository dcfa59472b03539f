"""One thread, and the folders to train on."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from small_runs import picture, write_labelled


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> Path:
    """labeled (6 images), unlabeled (10) and validation (4)."""
    root = tmp_path_factory.mktemp("folders")
    write_labelled(root / "labeled", 6, seed=0)
    write_labelled(root / "validation", 4, seed=1)
    rng = np.random.default_rng(2)
    (root / "unlabeled" / "deep").mkdir(parents=True)
    for number in range(10):
        Image.fromarray(picture(rng)[0]).save(root / "unlabeled" / "deep" / f"{number}.png")
    return root
