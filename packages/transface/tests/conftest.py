"""Networks filled with numbers that anyone can compute again, and a slow second opinion on what they compute."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vitrail_transface.config import TransFaceConfig, vit_s
from vitrail_transface.model import TransFaceViT

GOLDEN = Path(__file__).parent / "golden"
SMALL = TransFaceConfig(dim=32, depth=3, heads=4, embedding=24, gate_dim=10)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """These networks are so small that a second thread costs more than it brings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _filled(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The golden file's recipe: sines, scaled by what a tensor is for."""
    result = {}
    for i, name in enumerate(sorted(state)):
        like = state[name]
        if like.dtype != torch.float32:
            result[name] = torch.zeros(like.shape, dtype=like.dtype)
            continue
        s = torch.sin(0.37 * torch.arange(like.numel(), dtype=torch.float64) + i)
        last = name.rpartition(".")[2]
        if last == "running_var":
            s = 1 + 0.5 * s.abs()
        elif last == "running_mean":
            s = 0.1 * s
        elif like.ndim == 1:
            s = 1 + 0.1 * s if last == "weight" else 0.02 * s
        else:
            s = s / math.sqrt(like[0].numel())
        result[name] = s.view(like.shape).float()
    return result


def _random(state: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """Random numbers on the same scales, batch statistics included; attention scores are large enough to matter."""
    generator = torch.Generator().manual_seed(seed)
    result = {}
    for name, like in state.items():
        if like.dtype != torch.float32:
            result[name] = torch.zeros(like.shape, dtype=like.dtype)
            continue
        noise = torch.randn(like.shape, generator=generator)
        last = name.rpartition(".")[2]
        if last == "running_var":
            result[name] = 0.5 + noise.abs()
        elif like.ndim == 1:
            result[name] = 1 + 0.3 * noise if last == "weight" else 0.3 * noise
        else:
            result[name] = noise * (1.5 if like.ndim == 2 else 1.0) / math.sqrt(like[0].numel())
    return result


def _build(
    config: TransFaceConfig, values: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
) -> TransFaceViT:
    """A network in eval mode with these values; the usual initialisation is skipped, for it takes seconds."""
    with torch.device("meta"):
        network = TransFaceViT(config)
    network.load_state_dict(values(network.state_dict()), assign=True)
    return network.eval()


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """Numbers that the authors' code gave."""
    return json.loads((GOLDEN / "transface_golden.json").read_text())


@pytest.fixture(scope="session")
def golden_images() -> Tensor:
    """The images (2, 3, 112, 112) of the golden file."""
    return torch.sin(0.01 * torch.arange(2 * 3 * 112 * 112, dtype=torch.float64)).view(2, 3, 112, 112).float()


@pytest.fixture(scope="session")
def sine_network() -> Callable[[TransFaceConfig], TransFaceViT]:
    return lambda config: _build(config, _filled)


@pytest.fixture(scope="session")
def random_network() -> Callable[..., TransFaceViT]:
    """Of a config and a seed."""
    return lambda config=SMALL, seed=0: _build(config, lambda state: _random(state, seed))


@pytest.fixture(scope="session")
def published() -> TransFaceViT:
    """The published S, filled by the golden file's recipe, in eval mode. Not to be changed."""
    return _build(vit_s(), _filled)


@pytest.fixture(scope="session")
def small_config() -> TransFaceConfig:
    return SMALL


@pytest.fixture(scope="session")
def crops() -> Callable[..., list[np.ndarray]]:
    """Random uint8 crops (112, 112, 3)."""
    return lambda count, seed=0: list(
        np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3)).astype(np.uint8)
    )


@pytest.fixture(scope="session")
def by_hand() -> Callable[[Mapping[str, Tensor], Tensor, int], dict[str, np.ndarray]]:
    """The network once more, from the fact sheet, in float64 numpy: patches cut out, heads one after the other."""
    return _by_hand


def _by_hand(state: Mapping[str, Tensor], images: Tensor, heads: int) -> dict[str, np.ndarray]:
    w = {name: value.double().numpy() for name, value in state.items()}
    pixels = images.double().numpy()

    def layer_norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * w[name + ".weight"] + w[name + ".bias"]

    def batch_norm(x, name):
        x = (x - w[name + ".running_mean"]) / np.sqrt(w[name + ".running_var"] + 2e-5)
        return x * w[name + ".weight"] + w[name + ".bias"]

    results = {"tokens": [], "gate": [], "gated": [], "embedding": []}
    for picture in pixels:
        kernel = w["patch_embed.proj.weight"]
        dim = kernel.shape[0]
        x = np.empty((144, dim))
        for row in range(12):
            for column in range(12):
                cut = picture[:, 9 * row : 9 * row + 9, 9 * column : 9 * column + 9]
                x[12 * row + column] = kernel.reshape(dim, -1) @ cut.ravel() + w["patch_embed.proj.bias"]
        x = x + w["pos_embed"][0]
        depth = 1 + max(int(name.split(".")[1]) for name in w if name.startswith("blocks."))
        for i in range(depth):
            p = f"blocks.{i}."
            h = layer_norm(x, p + "norm1")
            qkv = w[p + "attn.qkv.weight"]
            size = dim // heads
            outputs = []
            for head in range(heads):
                q, k, v = (
                    h @ qkv[part * dim + head * size : part * dim + (head + 1) * size].T for part in range(3)
                )
                scores = q @ k.T / math.sqrt(size)
                scores = np.exp(scores - scores.max(-1, keepdims=True))
                outputs.append(scores / scores.sum(-1, keepdims=True) @ v)
            x = x + np.concatenate(outputs, 1) @ w[p + "attn.proj.weight"].T + w[p + "attn.proj.bias"]
            h = layer_norm(x, p + "norm2")
            h = np.clip(h @ w[p + "mlp.fc1.weight"].T + w[p + "mlp.fc1.bias"], 0, 6)
            x = x + h @ w[p + "mlp.fc2.weight"].T + w[p + "mlp.fc2.bias"]
        x = layer_norm(x, "norm")
        gate = np.ones(144)
        if "senet.0.weight" in w:
            hidden = np.maximum(w["senet.0.weight"] @ x.ravel(), 0)
            gate = 1 / (1 + np.exp(-w["senet.2.weight"] @ hidden))
        gated = x * gate[:, None]
        e = batch_norm(w["feature.0.weight"] @ gated.ravel(), "feature.1")
        e = batch_norm(w["feature.2.weight"] @ e, "feature.3")
        for name, value in zip(results, (x, gate, gated, e), strict=True):
            results[name].append(value)
    return {name: np.stack(values) for name, values in results.items()}
