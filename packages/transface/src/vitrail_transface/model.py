"""The TransFace network (arXiv 2308.10133): a plain ViT whose tokens pass one squeeze-and-excitation gate.

Parameters have the names and shapes of the authors' checkpoints; they are created and initialised in the same order,
so a seed gives the same network. Shapes: B faces, N = 144 tokens, D their width, E the embedding's length.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
import torch.nn.functional as F
from timm.layers import DropPath
from torch import Tensor, nn
from torch.amp import is_autocast_available
from torch.utils.checkpoint import checkpoint

from vitrail_transface.config import PATCH, SIZE, TOKENS, TransFaceConfig
from vitrail_transface.kernels.gate_spread import gate_spread


class Features(NamedTuple):
    """Everything that a face becomes.

    tokens: (B, N, D), before the gate. gate: (B, N), 0 to 1. gated: (B, N, D), each token times its gate.
    embedding: (B, E), not of unit length.
    """

    tokens: Tensor
    gate: Tensor
    gated: Tensor
    embedding: Tensor


class TrainingOutput(NamedTuple):
    """What the network gives in training mode.

    embedding: (B, E), not of unit length. gate: (B, N). spread: (B, N), the standard deviation (unbiased, over D) of
    each gated token, which EHSM weighs the samples by.
    """

    embedding: Tensor
    gate: Tensor
    spread: Tensor


class LayerNorm(nn.LayerNorm):
    """Computed in float32 at least, whatever the network computes in."""

    def forward(self, x: Tensor) -> Tensor:
        real = torch.promote_types(x.dtype, torch.float32)
        weight, bias = self.weight.to(real), self.bias.to(real)
        return F.layer_norm(x.to(real), self.normalized_shape, weight, bias, self.eps).to(self.weight.dtype)


class PatchEmbed(nn.Module):
    """Patches of 9 x 9 pixels to tokens, row by row."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=PATCH, stride=PATCH)

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(images).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention; queries, keys and values have no bias."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )  # each (B, heads, N, d)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """Two linear layers, four times as wide between them. The activation is ReLU6, not GELU."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.relu6(self.fc1(x)))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, dim: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.norm2 = LayerNorm(dim)
        self.attn = Attention(dim, heads)
        self.drop_path = DropPath(drop_path)
        self.mlp = MLP(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class TransFaceViT(nn.Module):
    """Aligned faces (B, 3, 112, 112), RGB, (value - 127.5) / 127.5.

    In eval mode it gives the embedding (B, E), one tensor; in training mode a `TrainingOutput`.
    Raises ValueError for images of another size.
    """

    def __init__(self, config: TransFaceConfig) -> None:
        super().__init__()
        self.config = config
        dim, depth, embedding = config.dim, config.depth, config.embedding
        self.patch_embed = PatchEmbed(dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, TOKENS, dim))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        rates = [config.drop_path * i / max(1, depth - 1) for i in range(depth)]
        self.blocks = nn.ModuleList(Block(dim, config.heads, rate) for rate in rates)
        self.norm = LayerNorm(dim)
        self.feature = nn.Sequential(
            nn.Linear(TOKENS * dim, dim, bias=False),
            nn.BatchNorm1d(dim, eps=2e-5),
            nn.Linear(dim, embedding, bias=False),
            nn.BatchNorm1d(embedding, eps=2e-5),
        )
        self.mask_token.requires_grad_(
            config.kept_tokens < TOKENS
        )  # several GPUs need all that are trained used
        nn.init.normal_(self.mask_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.apply(_initialise)
        # Made last: its layers keep torch's own initialisation, as in the authors' code.
        self.senet = None
        if config.gate:
            self.senet = nn.Sequential(
                nn.Linear(TOKENS * dim, config.gate_dim, bias=False),
                nn.ReLU(),
                nn.Linear(config.gate_dim, TOKENS, bias=False),
                nn.Sigmoid(),
            )

    def forward(self, images: Tensor) -> Tensor | TrainingOutput:
        tokens = self.tokens(images)
        gate = self.gate(tokens)
        if not self.training:
            return self.head(tokens * gate.unsqueeze(-1))
        gated, spread = gate_spread(tokens, gate)
        return TrainingOutput(self.head(gated), gate, spread)

    def forward_features(self, images: Tensor) -> Features:
        """Everything at once. In training mode tokens are masked, and the head updates its running statistics."""
        tokens = self.tokens(images)
        gate = self.gate(tokens)
        gated = tokens * gate.unsqueeze(-1)
        return Features(tokens, gate, gated, self.head(gated))

    def tokens(self, images: Tensor) -> Tensor:
        """Images -> tokens (B, N, D) after the last normalisation, before the gate."""
        if tuple(images.shape[1:]) != (3, SIZE, SIZE):
            raise ValueError(f"images have shape {tuple(images.shape)}; wanted is (B, 3, {SIZE}, {SIZE}).")
        x = self.patch_embed(images) + self.pos_embed
        masked = self.training and self.config.kept_tokens < TOKENS
        if masked:
            x, place = _mask(x, self.config.kept_tokens)
        for block in self.blocks:
            if self.training and self.config.checkpointing:
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
        x = self.norm(x)
        return _unmask(x, place, self.mask_token) if masked else x

    def gate(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, D) -> one gate a token, (B, N), from 0 to 1; ones for a network without a gate."""
        if self.senet is None:
            return tokens.new_ones(tokens.shape[:2])
        with _full_precision(tokens):
            return self.senet(tokens.flatten(1))

    def head(self, gated: Tensor) -> Tensor:
        """Gated tokens (B, N, D) -> embedding (B, E)."""
        with _full_precision(gated):
            return self.feature(gated.flatten(1))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _full_precision(x: Tensor) -> AbstractContextManager:
    """Gate and head sum over N D = 73,728 numbers (in S) and are 1 % of the arithmetic: no autocast for them."""
    device = x.device.type
    return torch.autocast(device, enabled=False) if is_autocast_available(device) else nullcontext()


def _mask(x: Tensor, kept: int) -> tuple[Tensor, Tensor]:
    """`kept` random tokens of each face, (B, kept, D), and where each of the N tokens stands in them, (B, N).

    Places from `kept` on are those of the tokens that are missing.
    """
    order = torch.rand(x.shape[:2], device=x.device).argsort(dim=1)
    return _take(x, order[:, :kept]), order.argsort(dim=1)


def _unmask(x: Tensor, place: Tensor, mask_token: Tensor) -> Tensor:
    """Tokens back at their places, (B, N, D), with the mask token in the gaps."""
    gaps = mask_token.to(x.dtype).expand(x.shape[0], place.shape[1] - x.shape[1], -1)
    return _take(torch.cat([x, gaps], dim=1), place)


def _take(x: Tensor, index: Tensor) -> Tensor:
    return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
