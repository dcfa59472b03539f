"""What a TopoFR network is made of, and what its training adds: frozen dataclasses. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vitrail.errors import UsageError

SIZE = 112
"""Side of an aligned crop in pixels; the network's last map is a sixteenth of it."""

STRIDE = 16
Fidelity = Literal["paper", "released"]


@dataclass(frozen=True, kw_only=True)
class TopoFRConfig:
    """An IResNet. The defaults are the paper's R50.

    blocks: residual blocks of the four stages.
    widths: channels of the four stages; the stem has as many as the first.
    embedding: length of an embedding.
    dropout: share of the flattened last map that training drops; the paper drops none.
    """

    blocks: tuple[int, int, int, int] = (3, 4, 14, 3)
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    embedding: int = 512
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("blocks", "widths"):
            value = getattr(self, name)
            if len(value) != 4 or min(value) < 1:
                raise UsageError(f"{name} is {value}; wanted are four numbers from 1, one a stage.")
        if self.embedding < 2:
            raise UsageError(f"embedding is {self.embedding}; wanted is a length of at least 2.")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is {self.dropout}; wanted is a share from 0 to below 1.")


def r18() -> TopoFRConfig:
    """Two blocks a stage, as insightface's iresnet18."""
    return TopoFRConfig(blocks=(2, 2, 2, 2))


def r50() -> TopoFRConfig:
    """The paper's R50."""
    return TopoFRConfig(blocks=(3, 4, 14, 3))


def r100() -> TopoFRConfig:
    """The paper's R100."""
    return TopoFRConfig(blocks=(3, 13, 30, 3))


def r200() -> TopoFRConfig:
    """The paper's R200."""
    return TopoFRConfig(blocks=(6, 26, 60, 6))


def tiny() -> TopoFRConfig:
    """Small enough to come with the package."""
    return TopoFRConfig(blocks=(1, 2, 2, 1), widths=(16, 32, 64, 96), embedding=128)


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """What TopoFR adds to the training of a margin softmax.

    fidelity: "paper", or "released" for what the authors' code computes; PAPER.md lists the differences.
    xi: share of the images that are perturbed.
    alpha: weight of the structure alignment; the paper has 0.1 for R50 and 0.05 for R100 and R200.
    alpha_warmup: steps over which that weight rises from zero, evenly. The paper has none. Short runs want one:
        while the network knows nothing yet, the alignment squeezes the embeddings together faster than the classes
        pull them apart, the bias of the last BatchNorm takes over, and all faces end in one place.
    power: lambda, the exponent of the damage factor.
    damage: weigh samples by their structure damage at all.
    focal_gradient: let the gradient through the focal factor 1 - g of "paper".
    """

    fidelity: Fidelity = "paper"
    xi: float = 0.2
    alpha: float = 0.1
    alpha_warmup: int = 0
    power: float = 1.0
    damage: bool = True
    focal_gradient: bool = False

    def __post_init__(self) -> None:
        if self.fidelity not in ("paper", "released"):
            raise UsageError(f"fidelity is {self.fidelity!r}; wanted is paper or released.")
        if not 0 <= self.xi <= 1:
            raise UsageError(f"xi is {self.xi}; wanted is a share from 0 to 1.")
        if not self.alpha >= 0:
            raise UsageError(f"alpha is {self.alpha}; wanted is 0 or more.")
        if self.alpha_warmup < 0:
            raise UsageError(f"alpha_warmup is {self.alpha_warmup}; wanted is a number of steps from 0.")
        if not self.power >= 0:
            raise UsageError(f"power is {self.power}; wanted is 0 or more.")

    def at(self, step: int) -> MethodConfig:
        """The same with the weight of the alignment that a step, counted from 0, has."""
        if step + 1 >= self.alpha_warmup:
            return self
        return replace(self, alpha=self.alpha * (step + 1) / self.alpha_warmup)
