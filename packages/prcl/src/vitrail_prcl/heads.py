"""What DeepLabV3+ adds to a backbone, and the head that says how certain a pixel's representation is.

Sub-modules are numbered as in the authors' released code, so that a checkpoint of theirs fits.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FLOOR = 1e-6
"""Added to e^x before it becomes a variance, so that no variance is 0."""


def convolution(channels: int, out_channels: int, dilation: int = 0) -> nn.Sequential:
    """A 3x3 convolution of this dilation, 1x1 where it is 0, with BatchNorm and ReLU."""
    size = 3 if dilation else 1
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, size, padding=dilation, dilation=max(1, dilation), bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class ASPP(nn.Module):
    """(B, C, h, w) -> (B, O, h, w): each place seen alone, at three distances, and as a part of the whole.

    Atrous spatial pyramid pooling of DeepLabV3 (arXiv 1706.05587, section 3.3), without dropout.
    """

    def __init__(self, channels: int, out_channels: int, dilations: tuple[int, int, int]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                convolution(channels, out_channels),
                *(convolution(channels, out_channels, dilation=rate) for rate in dilations),
                nn.Sequential(nn.AdaptiveAvgPool2d(1), *convolution(channels, out_channels)),
            ]
        )
        self.project = convolution(5 * out_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        *near, whole = (branch(x) for branch in self.convs)
        return self.project(torch.cat([*near, whole.expand_as(near[0])], dim=1))


class VarianceHead(nn.Module):
    """f (B, C, h, w) -> the variance of every pixel's representation, (B, D, h, w) float32 in (0, 1).

    Two linear layers over the channels, whose rows are brought to length 1 at every pass, then
    sigmoid(log(e^x + 1e-6)). The paper's uncertainty head; its released code uses the result as the variance.
    """

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.fc1 = nn.Parameter(torch.empty(embedding, channels))
        self.bn1 = nn.BatchNorm2d(embedding)
        self.fc2 = nn.Parameter(torch.empty(embedding, embedding))
        self.bn2 = nn.BatchNorm2d(embedding, affine=False)
        self.gamma = nn.Parameter(torch.ones(1))
        self.beta = nn.Parameter(torch.zeros(1))
        nn.init.kaiming_normal_(self.fc1)
        nn.init.kaiming_normal_(self.fc2)

    def forward(self, f: Tensor) -> Tensor:
        x = self.bn1(_linear(f, self.fc1)).relu()
        x = self.bn2(_linear(x, self.fc2))
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        return squash(self.gamma * x + self.beta)


def squash(x: Tensor) -> Tensor:
    """sigmoid(log(e^x + 1e-6)), from 1e-6 to 1, without an e^x that could overflow.

    It is (e^x + 1e-6) / (e^x + 1 + 1e-6); both parts are divided by e^x + 1.
    """
    rest = FLOOR * torch.sigmoid(-x)
    return (torch.sigmoid(x) + rest) / (1 + rest)


def projection(channels: int, width: int, out_channels: int) -> nn.Sequential:
    """f (B, C, h, w) -> (B, O, h, w): the form that the classifier and the head of the means share."""
    return nn.Sequential(*convolution(channels, width, dilation=1), nn.Conv2d(width, out_channels, 1))


def _linear(x: Tensor, weight: Tensor) -> Tensor:
    """(B, C, h, w) by (O, C), whose rows are brought to length 1."""
    return F.conv2d(x, F.normalize(weight, dim=1)[..., None, None])
