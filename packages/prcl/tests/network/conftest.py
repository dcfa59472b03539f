"""Small networks whose BatchNorms have seen images, and what was recorded of the authors' code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from vitrail_prcl.config import PRCLConfig
from vitrail_prcl.model import PRCLNet

GOLDEN = Path(__file__).parents[1] / "golden" / "prcl_keys.json"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """These networks are so small that a second thread costs more than it brings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """Names, shapes, counts and numbers of the authors' code, by backbone."""
    return json.loads(GOLDEN.read_text())


@pytest.fixture(scope="session")
def narrow() -> Callable[..., PRCLConfig]:
    """A config of few channels; what is given comes on top."""
    return lambda **fields: PRCLConfig(**{"width": 16, "low_width": 8, "embedding": 12, **fields})


@torch.no_grad()
def _seen(network: PRCLNet) -> PRCLNet:
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    network.train()(torch.randn(4, network.config.bands, 64, 64))
    for norm in norms:
        norm.momentum = 0.1
    return network.eval()


@pytest.fixture(scope="session")
def seen() -> Callable[[PRCLNet], PRCLNet]:
    """The network in eval mode whose BatchNorms know a batch of noise, so that its maps are neither tiny nor huge."""
    return _seen


@pytest.fixture(scope="session")
def small(narrow, seen) -> PRCLNet:
    """A narrow network in eval mode, for two classes. Not to be changed."""
    torch.manual_seed(0)
    return seen(PRCLNet(narrow(backbone="resnet18")))
