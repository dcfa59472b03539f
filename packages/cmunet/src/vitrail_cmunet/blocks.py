"""The rest of the decoder: skip fusion over three scales, upsampling, and a stage of CSMamba blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail_cmunet.attention import ChannelAttention, SpatialAttention
from vitrail_cmunet.csmamba import CSMambaBlock


class FusionConv(nn.Module):
    """(B, C, H, W) -> (B, O, H, W): one narrow map, once weighed by channel and once, after three kernels, by place."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        narrow = out_channels // 4
        self.down = nn.Conv2d(channels, narrow, 1)
        self.conv_3x3 = nn.Conv2d(narrow, narrow, 3, padding=1)
        self.conv_5x5 = nn.Conv2d(narrow, narrow, 5, padding=2)
        self.conv_7x7 = nn.Conv2d(narrow, narrow, 7, padding=3)
        self.spatial_attention = SpatialAttention()
        self.channel_attention = ChannelAttention(narrow)
        self.up = nn.Conv2d(narrow, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        by_channel = x * self.channel_attention(x)
        by_place = self.conv_3x3(x) + self.conv_5x5(x) + self.conv_7x7(x)
        by_place = by_place * self.spatial_attention(by_place)
        return self.up(by_place + by_channel)


class MSAA(nn.Module):
    """Multi-scale attention aggregation, the paper's MSAA: one level's features with those of the other two.

    Three maps in the order given, all at one size and together C channels, -> (B, O, H, W).
    """

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.fusion_conv = FusionConv(channels, out_channels)

    def forward(self, own: Tensor, second: Tensor, third: Tensor) -> Tensor:
        return self.fusion_conv(torch.cat([own, second, third], dim=1))


class PatchExpand(nn.Module):
    """(B, H, W, C) -> (B, 2H, 2W, C/2): pixel shuffle, 1x1 convolution, LayerNorm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.adjust_channels = nn.Conv2d(channels // 4, channels // 2, 1, bias=False)
        self.norm = nn.LayerNorm(channels // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.adjust_channels(F.pixel_shuffle(x.permute(0, 3, 1, 2), 2))
        return self.norm(x.permute(0, 2, 3, 1))


class Stage(nn.Module):
    """CSMamba blocks, then twice the size with half the channels where `expand` is set."""

    def __init__(self, channels: int, drop_paths: Sequence[float], *, state: int, expand: bool) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(CSMambaBlock(channels, state=state, drop_path=rate) for rate in drop_paths)
        )
        self.upsample = PatchExpand(channels) if expand else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.upsample(self.blocks(x))
