"""CSMamba, the decoder's block (paper, fig. 2b): a selective scan in four directions whose gate is attended.

Everything here is channels-last, (B, H, W, C), except inside the convolutions. In a block of C channels the bottleneck
is m = C/2 wide, the scan D = m/2, the rank of its step size R = ceil(m/16) and its state S = 16, in 4 directions.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from timm.layers import DropPath
from torch import Tensor, nn

from vitrail_cmunet.attention import ChannelAttention, SpatialAttention
from vitrail_cmunet.kernels.selective_scan import cross_scan

DIRECTIONS = 4


class SS2D(nn.Module):
    """Two-dimensional selective scan with an attended gate: (B, H, W, m) -> (B, H, W, m).

    `self.scan` is the operator itself, a plain function: x (B, H, W, D) and the five scan parameters below give
    (B, H, W, D), the four directions summed. An experiment, or the ONNX export, may put another in its place.
    """

    def __init__(self, channels: int, *, state: int = 16) -> None:
        super().__init__()
        inner = channels // 2
        rank = math.ceil(channels / 16)
        self.in_proj = nn.Linear(channels, 2 * inner, bias=False)
        self.conv2d = nn.Conv2d(inner, inner, 3, padding=1, groups=inner)
        self.channel_attention = ChannelAttention(inner)
        self.spatial_attention = SpatialAttention()
        self.out_norm = nn.LayerNorm(inner)
        self.out_proj = nn.Linear(inner, channels, bias=False)
        self.scan = cross_scan

        # One matrix a direction. The rows of x_proj_weight give R numbers for the step size, then S for B, S for C.
        self.x_proj_weight = nn.Parameter(torch.empty(DIRECTIONS, rank + 2 * state, inner))
        self.dt_projs_weight = nn.Parameter(torch.empty(DIRECTIONS, inner, rank))
        self.dt_projs_bias = nn.Parameter(torch.empty(DIRECTIONS, inner))
        self.A_logs = nn.Parameter(torch.empty(DIRECTIONS * inner, state))
        self.Ds = nn.Parameter(torch.empty(DIRECTIONS * inner))
        self.reset_scan()

    @torch.no_grad()
    def reset_scan(self) -> None:
        """Initialise the scan's parameters: A = -1..-S, D = 1, first step sizes 0.001 to 0.1."""
        inner, rank = self.dt_projs_weight.shape[1:]
        bound = inner**-0.5  # what nn.Linear(inner, ...) would draw from
        nn.init.uniform_(self.x_proj_weight, -bound, bound)
        nn.init.uniform_(self.dt_projs_weight, -(rank**-0.5), rank**-0.5)
        step = (
            torch.empty_like(self.dt_projs_bias)
            .uniform_(math.log(1e-3), math.log(1e-1))
            .exp()
            .clamp(min=1e-4)
        )
        self.dt_projs_bias.copy_(step + torch.log(-torch.expm1(-step)))  # softplus of this is `step`
        self.A_logs.copy_(torch.arange(1, self.A_logs.shape[1] + 1).log().expand_as(self.A_logs))
        self.Ds.fill_(1)

    def gate(self, z: Tensor) -> Tensor:
        """(B, D, H, W) -> the same: channels first, then places, then SiLU (PAPER.md, deviation 1)."""
        z = self.channel_attention(z) * z
        z = self.spatial_attention(z) * z
        return F.silu(z)

    def forward(self, x: Tensor) -> Tensor:
        scanned, z = self.in_proj(x).permute(0, 3, 1, 2).chunk(2, dim=1)
        scanned = F.silu(self.conv2d(scanned)).permute(0, 2, 3, 1)
        y = self.scan(
            scanned, self.x_proj_weight, self.dt_projs_weight, self.dt_projs_bias, self.A_logs, self.Ds
        )
        return self.out_proj(self.out_norm(y) * self.gate(z).permute(0, 2, 3, 1))


class CSMambaBlock(nn.Module):
    """(B, H, W, C) -> (B, H, W, C): x + up(t + drop_path(SS2D(norm(t)))) with t = down(x)."""

    def __init__(self, channels: int, *, state: int = 16, drop_path: float = 0.0) -> None:
        super().__init__()
        self.down = nn.Linear(channels, channels // 2)
        self.ln_1 = nn.LayerNorm(channels // 2)
        self.self_attention = SS2D(channels // 2, state=state)
        self.drop_path = DropPath(drop_path)
        self.up = nn.Linear(channels // 2, channels)

    def forward(self, x: Tensor) -> Tensor:
        t = self.down(x)
        t = t + self.drop_path(self.self_attention(self.ln_1(t)))
        return x + self.up(t)
