"""The gates of a batch, asked for in the middle of training without leaving a trace.

DPAP has to know which patches of the clean images matter before the real forward pass. The authors' code runs a second
pass in training mode for that, which updates batch normalisation twice and draws drop path and masks twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vitrail_transface.model import TransFaceViT


@contextmanager
def probing(network: nn.Module) -> Iterator[None]:
    """The network in eval mode without gradients, for the block; every part's own mode comes back after it."""
    modes = [(part, part.training) for part in network.modules()]
    try:
        network.eval()
        with torch.no_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training


def probe_gates(network: TransFaceViT, images: Tensor) -> Tensor:
    """Images (B, 3, 112, 112) -> gates (B, 144), from 0 to 1.

    No drop path and no masking, so no random number is drawn; the head and its batch normalisation do not run at all.
    Under DistributedDataParallel hand in the network inside the wrapper.

    Raises ValueError for a network without a gate.
    """
    if network.senet is None:
        raise ValueError("This network has no gate (config.gate is False), so no patch is dominant in it.")
    with probing(network):
        return network.gate(network.tokens(images))
