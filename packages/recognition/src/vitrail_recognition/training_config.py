"""What the training of any recogniser is told: frozen dataclasses of plain values. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from vitrail.errors import UsageError
from vitrail_training.config import FitConfig, over_epochs

MarginKind = Literal["arcface", "cosface"]
MarginGradient = Literal["true", "straight_through"]
USUAL = {"arcface": 0.5, "cosface": 0.4}


@dataclass(frozen=True, kw_only=True)
class MarginConfig:
    """The margin softmax over all identities.

    kind: arcface adds an angle to the target's, cosface lowers its cosine.
    margin: by how much; by default 0.5 for arcface (radians) and 0.4 for cosface.
    scale: of the cosines, before the softmax.
    gradient: arcface: true is the function's derivative, straight_through insightface's, which is `scale` everywhere.
    sample_rate: the part of the identities that a step looks at (Partial FC). A process that holds few of them looks
        at as many as the batch has samples, so that all that are in the batch fit in: with 85,742 identities on eight
        processes and batches of 4096, at 0.38 of them.
    sparse_update: with sampling, identities that were not looked at keep their centres, momentum and decay.
    threshold: leave out other identities whose cosine to a sample is above this, as probably mislabelled; none
        keeps all.
    """

    kind: MarginKind = "arcface"
    margin: float | None = None
    scale: float = 64.0
    gradient: MarginGradient = "true"
    sample_rate: float = 1.0
    sparse_update: bool = True
    threshold: float | None = None

    def __post_init__(self) -> None:
        for name, choices in (("kind", MarginKind), ("gradient", MarginGradient)):
            if getattr(self, name) not in get_args(choices):
                raise UsageError(
                    f"{name} is {getattr(self, name)!r}; wanted is one of {', '.join(get_args(choices))}."
                )
        if self.kind == "cosface" and self.gradient != "true":
            raise UsageError(f"gradient is {self.gradient}; cosface has only the true one.")
        most = math.pi if self.kind == "arcface" else 2.0
        if not 0 <= self.value < most:
            raise UsageError(f"margin is {self.value}; wanted is a number from 0 to below {most:.4g}.")
        if not 0 < self.scale < math.inf:
            raise UsageError(f"scale is {self.scale}; wanted is a positive number, such as 64.")
        if not 0 < self.sample_rate <= 1:
            raise UsageError(f"sample_rate is {self.sample_rate}; wanted is a part above 0 and up to 1.")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise UsageError(
                f"threshold is {self.threshold}; wanted is a cosine above 0 and up to 1, or none."
            )

    @property
    def value(self) -> float:
        """The margin that is meant."""
        return USUAL[self.kind] if self.margin is None else self.margin


@dataclass(frozen=True, kw_only=True)
class FaceDataConfig:
    """Faces to train on, faces to verify with, and for how long. A method's own config inherits from it.

    data: aligned crops 112 x 112: a folder with one folder for each identity, a .rec (or its folder), or .tar shards.
    classes: how many identities there are, for a .rec or tars that do not say it; 0 asks the files.
    flip: how often a training image is mirrored.
    augment: how often each of three things is done to it: much of it cut away, pixels lost, light and colours changed;
        see `vitrail_recognition.augment`. For pictures that are better than those that are to be recognised; AdaFace
        takes 0.2.
    verify: verification sets for the evaluations: .bin pairs, IJB folders, or identities, of which pairs are drawn.
    pairs: of identities, how many pairs of each kind to draw, where there are as many.
    epochs: length of the run in passes over the training data; 0 takes --fit.steps as it is. Otherwise the steps,
        the warm-up, the evaluations and the checkpoints follow from the epochs.
    warmup_epochs: epochs in which the learning rate rises.
    eval_epochs: epochs from one evaluation, and one checkpoint, to the next.
    """

    data: str = ""
    classes: int = 0
    flip: float = 0.5
    augment: float = 0.0
    verify: tuple[str, ...] = ()
    pairs: int = 3000
    epochs: int = 0
    warmup_epochs: int = 0
    eval_epochs: int = 1
    margin: MarginConfig = field(default_factory=MarginConfig)
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        for name, least in {
            "classes": 0,
            "pairs": 1,
            "epochs": 0,
            "warmup_epochs": 0,
            "eval_epochs": 1,
        }.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}; wanted is at least {least}.")
        for name in ("flip", "augment"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}; wanted is a probability from 0 to 1.")
        if self.epochs and self.warmup_epochs > self.epochs:
            raise UsageError(
                f"warmup_epochs is {self.warmup_epochs} and the whole run {self.epochs} epochs; shorten the warm-up."
            )
        if self.fit.precision == "fp16":
            raise UsageError(
                "precision is fp16, whose loss scaling does not reach class centres that are shared out over the "
                "processes; use bf16 or fp32."
            )


def in_steps(config: FaceDataConfig, samples: int) -> FitConfig:
    """The loop's settings, with what is counted in epochs turned into steps. An epoch is samples // batch steps."""
    return over_epochs(
        config.fit, samples, epochs=config.epochs, eval_epochs=config.eval_epochs, warmup=config.warmup_epochs
    )
