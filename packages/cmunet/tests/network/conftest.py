"""The published network filled with numbers that anyone can compute again, and what upstream's code makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vitrail_cmunet.config import CMUNetConfig
from vitrail_cmunet.model import CMUNet

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """These networks are so small that a second thread costs more than it brings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def hash_numbers(stream: int, count: int) -> np.ndarray:
    """`count` numbers from -1 to 1: murmur3's finaliser over position and stream."""
    m32 = np.uint64(0xFFFFFFFF)
    x = (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(2654435761)) & m32
    x = (x + np.uint64((stream + 1) * 2246822519 % 2**32)) & m32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = ((x ^ (x >> np.uint64(shift))) * np.uint64(factor)) & m32
    return (x ^ (x >> np.uint64(16))).astype(np.float64) / 2**31 - 1


def _filled(stream: int, name: str, like: Tensor) -> Tensor:
    s = hash_numbers(stream, like.numel())
    last = name.rpartition(".")[2]
    if not like.is_floating_point():
        values = np.zeros_like(s)
    elif last == "running_var":
        values = 1 + 0.25 * s
    elif last == "running_mean":
        values = 0.1 * s
    elif last == "A_logs":
        values = np.log(1 + np.arange(s.size) % 16) + 0.05 * s
    elif last == "Ds":
        values = 1 + 0.1 * s
    elif last == "dt_projs_bias":
        values = -3 + 0.5 * s
    elif like.ndim == 1:
        values = 1 + 0.1 * s if last == "weight" else 0.05 * s
    else:
        own = last in ("x_proj_weight", "dt_projs_weight")
        fan = like.shape[-1] if own else like.numel() // like.shape[0]
        values = s * np.sqrt(3 / fan)
    return torch.from_numpy(values.reshape(like.shape)).to(like.dtype)


def _image(height: int, width: int) -> Tensor:
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(0.05 * (x + 1) * (c + 1)) * np.cos(0.07 * (y + 1) + c) for c in range(3)])
    noise = hash_numbers(1000, waves.size).reshape(waves.shape)
    return torch.from_numpy(waves + 0.5 * noise)[None].float()


@pytest.fixture(scope="session")
def published_keys() -> dict[str, Any]:
    return json.loads((GOLDEN / "cmunet_keys.json").read_text())["keys"]


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """What upstream's code gives for a 64x64 image, and on the way there."""
    return json.loads((GOLDEN / "cmunet_golden.json").read_text())["cases"][0]


@pytest.fixture(scope="session")
def oblong() -> list[dict[str, Any]]:
    """The same for images that are not square, as recorded from this package in float64 (see the file's note)."""
    return json.loads((GOLDEN / "cmunet_oblong.json").read_text())["cases"]


@pytest.fixture(scope="session")
def golden_image() -> Callable[[int, int], Tensor]:
    """The normalised image (1, 3, H, W) of the golden file."""
    return _image


@pytest.fixture(scope="session")
def hash_fill() -> Callable[[Mapping[str, Tensor]], dict[str, Tensor]]:
    """A state dict of the same names and shapes, filled by the golden file's recipe."""
    return lambda state: {
        name: _filled(stream, name, state[name]) for stream, name in enumerate(sorted(state))
    }


@pytest.fixture(scope="session")
def published(hash_fill) -> CMUNet:
    """The published network for six classes, filled by the recipe, in eval mode. Not to be changed."""
    network = CMUNet(CMUNetConfig())
    network.load_state_dict(hash_fill(network.state_dict()))
    return network.eval()


@pytest.fixture(scope="session")
def small() -> CMUNet:
    """A narrow network in eval mode. Not to be changed."""
    torch.manual_seed(0)
    return CMUNet(CMUNetConfig(width=16)).eval()
