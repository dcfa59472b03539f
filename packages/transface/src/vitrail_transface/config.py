"""What a TransFace network and its training tricks are made of: frozen dataclasses, checked when built. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from vitrail.errors import UsageError

SIZE = 112
"""Height and width of an aligned face crop."""
PATCH = 9
GRID = SIZE // PATCH
TOKENS = GRID * GRID
"""144 tokens, row by row; pixels 108 to 111 of each axis belong to none and are never read."""

Fidelity = Literal["paper", "released"]
Entropy = Literal["std", "gaussian"]


@dataclass(frozen=True, kw_only=True)
class TransFaceConfig:
    """A TransFace ViT. The defaults are the published S.

    dim: width D of the tokens, a multiple of `heads`.
    depth: blocks.
    heads: attention heads.
    embedding: length of a face's embedding.
    gate: whether tokens are gated. Without, the network is the plain ViT of insightface: every gate is 1.
    gate_dim: hidden units of the gate, 144 as published.
    drop_path: stochastic depth, growing in a straight line from 0 in the first block to this in the last.
    mask_ratio: share of the tokens that training leaves out, at random: floor(144 (1 - mask_ratio)) stay. The
        published B and L are named 0.05 and were trained with 0.1, which is their value here.
    checkpointing: recompute each block in the backward pass instead of keeping what is inside it.
    """

    dim: int = 512
    depth: int = 12
    heads: int = 8
    embedding: int = 512
    gate: bool = True
    gate_dim: int = TOKENS
    drop_path: float = 0.05
    mask_ratio: float = 0.0
    checkpointing: bool = False

    def __post_init__(self) -> None:
        for name in ("dim", "depth", "heads", "embedding", "gate_dim"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; wanted is a whole number from 1.")
        if self.dim < 2:
            raise UsageError(
                "dim is 1; wanted is at least 2, since the spread of a token is over its values."
            )
        if self.dim % self.heads:
            raise UsageError(f"dim {self.dim} does not split into {self.heads} heads; wanted is a multiple.")
        for name in ("drop_path", "mask_ratio"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(
                    f"{name} is {getattr(self, name)}; wanted is a share from 0 to below 1, such as 0.1."
                )
        if self.kept_tokens < 1:
            raise UsageError(f"mask_ratio is {self.mask_ratio}: no token would stay.")

    @property
    def kept_tokens(self) -> int:
        """Tokens that go through the blocks in training."""
        return int(TOKENS * (1 - self.mask_ratio))


def vit_t() -> TransFaceConfig:
    """`vit_t_dp005_mask0` of the authors' code: 24.5 M parameters."""
    return TransFaceConfig(dim=256)


def vit_s() -> TransFaceConfig:
    """`vit_s_dp005_mask_0`: 86.7 M parameters."""
    return TransFaceConfig()


def vit_b() -> TransFaceConfig:
    """`vit_b_dp005_mask_005`: as wide as S and twice as deep, 124.5 M parameters."""
    return TransFaceConfig(depth=24, mask_ratio=0.1, checkpointing=True)


def vit_l() -> TransFaceConfig:
    """`vit_l_dp005_mask_005`: 271.6 M parameters."""
    return TransFaceConfig(dim=768, depth=24, mask_ratio=0.1, checkpointing=True)


def tiny() -> TransFaceConfig:
    """Small enough to come with the package: 1.4 M parameters, narrower and shallower than any network of the paper."""
    return TransFaceConfig(dim=64, depth=6, heads=4, embedding=128, gate_dim=48, drop_path=0.0)


VARIANTS = {"vit-t": vit_t, "vit-s": vit_s, "vit-b": vit_b, "vit-l": vit_l}


@dataclass(frozen=True, kw_only=True)
class DPAPConfig:
    """Dominant patch amplitude perturbation.

    tokens: K, how many patches of a chosen image are perturbed: those with the largest gates.
    probability: share of the images that are chosen.
    alpha: each patch has its own share of the donor's amplitude, uniform from 0 to this.
    fidelity: "released" cuts the mixed pixels down to whole grey levels, as the authors' code does; "paper" keeps
        them as they are.
    """

    tokens: int = 7
    probability: float = 0.2
    alpha: float = 1.0
    fidelity: Fidelity = "paper"

    def __post_init__(self) -> None:
        if not 1 <= self.tokens <= TOKENS:
            raise UsageError(f"tokens is {self.tokens}; wanted is a number of patches from 1 to {TOKENS}.")
        for name in ("probability", "alpha"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}; wanted is a number from 0 to 1.")
        _one_of("fidelity", self.fidelity, get_args(Fidelity))


@dataclass(frozen=True, kw_only=True)
class EHSMConfig:
    """Entropy-guided hard sample mining.

    entropy: of a token. "std", its standard deviation, is what the authors' code uses; "gaussian" is the
        differential entropy of a normal distribution with that deviation.
    gamma: factor on the mean entropy of an image.
    detach: treat the weights as constants. Otherwise the loss can also fall by raising the entropy.
    """

    entropy: Entropy = "std"
    gamma: float = 1.0
    detach: bool = True

    def __post_init__(self) -> None:
        _one_of("entropy", self.entropy, get_args(Entropy))
        if not self.gamma >= 0:
            raise UsageError(f"gamma is {self.gamma}; wanted is a number from 0.")


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{name} is {value!r}; wanted is one of {', '.join(choices)}.")
