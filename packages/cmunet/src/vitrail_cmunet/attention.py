"""The two attentions that CM-UNet uses both in the gate of its scan and in its skip fusion (CBAM's two halves)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ChannelAttention(nn.Module):
    """(B, C, H, W) -> (B, C, 1, 1) in 0..1: which channels matter (paper, fig. 2b)."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        # `fc.0` and `fc.2` are the published names
        self.fc = nn.Sequential(
            nn.Conv2d(channels, channels // reduction, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(channels // reduction, channels, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(2, 3), keepdim=True)
        largest = x.amax(dim=(2, 3), keepdim=True)
        return torch.sigmoid(self.fc(mean) + self.fc(largest))


class SpatialAttention(nn.Module):
    """(B, C, H, W) -> (B, 1, H, W) in 0..1: which places matter (paper, fig. 2b)."""

    def __init__(self, kernel: int = 7) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        summary = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return torch.sigmoid(self.conv1(summary))
