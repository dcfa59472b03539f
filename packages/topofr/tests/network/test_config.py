"""A config is checked when it is built."""

from __future__ import annotations

import pytest
import torch

from vitrail.errors import UsageError
from vitrail_topofr.config import TopoFRConfig, tiny
from vitrail_topofr.model import IResNet


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"blocks": (1, 2, 3)}, r"blocks is \(1, 2, 3\); wanted are four numbers from 1"),
        ({"widths": (4, 0, 4, 4)}, "widths is"),
        ({"embedding": 1}, "embedding is 1"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_what_cannot_be_built_is_refused(settings, words):
    with pytest.raises(UsageError, match=words):
        TopoFRConfig(**settings)


def test_the_tiny_network_is_small_enough_to_be_shipped():
    with torch.device("meta"):
        network = IResNet(tiny())
    bytes_in_fp16 = 2 * sum(tensor.numel() for tensor in network.state_dict().values())
    assert bytes_in_fp16 < 4e6
