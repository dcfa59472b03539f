"""The mean teacher: a running average of the network that is trained (Tarvainen and Valpola 2017)."""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vitrail_training.ema import blend_

Norms = Literal["averaged", "own"]


class Teacher:
    """decay: at most; after step t it is min(1 - 1 / (t + 1), decay), so that the first step copies the network.

    norms: what the running statistics of BatchNorm are.
        averaged   averages of the network's, like its weights; the teacher labels in eval mode.
        own        the teacher's, which labels in training mode, by the statistics of each batch; so in the authors'
        code.
    """

    def __init__(self, network: nn.Module, *, decay: float, norms: Norms = "averaged") -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay, self.norms, self.steps = decay, norms, 0

    @torch.no_grad()
    def label(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Labels (B, H, W) int64 and their probabilities of images (B, bands, H, W)."""
        self.network.train(self.norms == "own")
        if self.norms == "own":
            logits = self.network.enlarged(self.network(images).logits, images.shape[-2:])
        else:
            logits = self.network(images)
        confidence, labels = logits.float().softmax(dim=1).max(dim=1)
        return labels, confidence

    def update(self, network: nn.Module) -> None:
        """Move towards `network`, whose weights a step has changed."""
        decay = min(1 - 1 / (self.steps + 1), self.decay)
        self.steps += 1
        mine, theirs = self.network.state_dict(), network.state_dict()
        if self.norms == "own":
            theirs = {
                name: value for name, value in theirs.items() if name in dict(network.named_parameters())
            }
        blend_(mine, theirs, decay)

    def state_dict(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.steps = int(state["steps"])
