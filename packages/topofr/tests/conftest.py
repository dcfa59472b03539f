"""The published numbers that several tests need, and networks that are costly to make."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vitrail_topofr.config import TopoFRConfig, r50
from vitrail_topofr.model import IResNet

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """These inputs are so small that a second thread costs more than it brings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _read(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text())


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """What the released code computes: losses, trees, mixtures."""
    return _read("method.json")


@pytest.fixture(scope="session")
def golden_fill() -> dict[str, Any]:
    """What the released R50 makes of weights and an image that a formula gives."""
    return _read("fill.json")["topofr_r50"]


@pytest.fixture(scope="session")
def published_keys() -> Callable[[str], dict[str, Any]]:
    return lambda variant: _read(f"topofr_{variant}_keys.json")


def _filled(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    filled = {}
    for place, name in enumerate(sorted(state)):
        like = state[name]
        s = np.sin(0.37 * np.arange(like.numel()) + place)
        if not like.is_floating_point():
            filled[name] = like.clone()
            continue
        if name.endswith("running_var"):
            s = 1 + 0.5 * np.abs(s)
        elif name.endswith("running_mean"):
            s = 0.1 * s
        elif like.ndim == 1:
            s = 1 + 0.1 * s if name.endswith("weight") else 0.02 * s
        else:
            s = s / np.sqrt(like[0].numel())
        filled[name] = torch.from_numpy(s.reshape(like.shape)).to(like.dtype)
    return filled


@pytest.fixture(scope="session")
def fill() -> Callable[[Mapping[str, Tensor]], dict[str, Tensor]]:
    """A state dict of the same names and shapes, filled by the golden files' formula."""
    return _filled


@pytest.fixture(scope="session")
def published_state() -> dict[str, Tensor]:
    """The released R50's state dict with 100 classes, filled by the formula. Not to be changed."""
    return _filled({**IResNet(r50()).state_dict(), "weight": torch.zeros(100, 512)})


@pytest.fixture(scope="session")
def published(published_state) -> IResNet:
    """That network, in eval mode. Not to be changed."""
    network = IResNet(r50())
    network.load_state_dict({name: value for name, value in published_state.items() if name != "weight"})
    return network.eval()


@pytest.fixture(scope="session")
def golden_image() -> Tensor:
    """The golden files' input (2, 3, 112, 112)."""
    return torch.sin(0.01 * torch.arange(2 * 3 * 112 * 112, dtype=torch.float64)).view(2, 3, 112, 112).float()


@pytest.fixture(scope="session")
def small() -> IResNet:
    """A narrow network in eval mode whose BatchNorms all do something. Not to be changed."""
    torch.manual_seed(0)
    network = IResNet(TopoFRConfig(blocks=(2, 1, 1, 1), widths=(4, 6, 8, 10), embedding=12))
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                for tensor in (module.weight, module.bias, module.running_mean):
                    tensor.add_(0.3 * torch.randn(tensor.shape))
                module.running_var.mul_(0.5 + torch.rand(module.running_var.shape))
    return network.eval()
