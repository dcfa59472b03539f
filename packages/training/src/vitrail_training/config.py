"""What a run is told: one frozen dataclass of plain values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args, get_origin, get_type_hints

from vitrail.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How to train. A method's own config holds one of these, or repeats the fields that it wants as flags.

    Every length of time is counted in steps; a step is one update of the weights.
    """

    steps: int = 1000
    """Updates of the weights, from the first to the last."""

    batch_size: int = 8
    """Samples in a step, over all processes and all of its parts together."""

    accumulate: int = 1
    """Parts that each process works through one after the other in a step; more parts need less memory."""

    lr: float = 1e-3
    """Learning rate at its highest."""

    weight_decay: float = 0.01
    """Decoupled weight decay of AdamW."""

    schedule: Literal["constant", "cosine", "cosine-restarts", "poly", "step"] = "cosine"
    """How the learning rate falls after the warm-up."""

    warmup: int = 0
    """Steps in which the learning rate rises in a straight line."""

    eta_min: float = 0.0
    """Learning rate that cosine and poly fall to."""

    t0: int = 0
    """cosine-restarts: steps of the first cycle."""

    t_mult: int = 1
    """cosine-restarts: each cycle is this many times as long as the one before."""

    power: float = 0.9
    """poly: the exponent."""

    milestones: tuple[int, ...] = ()
    """step: the steps at which the learning rate is multiplied by gamma."""

    gamma: float = 0.1
    """step: the factor."""

    clip_norm: float = 0.0
    """Largest norm of the whole gradient; 0 leaves it as it is."""

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """What the network computes in; weights and loss stay fp32."""

    ema: float = 0.0
    """Decay of the running average of the weights, such as 0.999, which it rises to at first; 0 keeps none."""

    seed: int = 0
    """Fixes the order of the samples, their augmentation, and dropout."""

    workers: int = 0
    """Processes that read samples, for each training process; they change no number."""

    eval_every: int = 0
    """Steps between evaluations; 0 evaluates at the end only."""

    checkpoint_every: int = 500
    """Steps between checkpoints; 0 writes one at the end only, and when stopped."""

    keep_checkpoints: int = 2
    """Checkpoints that stay on disk; older ones are removed."""

    best_metric: str = ""
    """Name of the evaluation's value by which the best weights are kept; empty keeps only the last."""

    best_mode: Literal["max", "min"] = "max"
    """Whether a larger or a smaller value of best_metric is better."""

    log_every: int = 20
    """Steps between lines in metrics.jsonl."""

    tensorboard: bool = False
    """Write TensorBoard files too (needs the extra "track")."""

    strict: bool = False
    """Stop at a sample that cannot be read, instead of skipping it."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes a CUDA device if there is one, else the CPU."""

    deterministic: bool = False
    """Deterministic algorithms on a GPU as well (slower); the CPU always uses them."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not value >= least:
                raise UsageError(f"{name} is {value}; wanted is at least {least}.")
        for name, hint in get_type_hints(type(self)).items():
            if get_origin(hint) is Literal and getattr(self, name) not in get_args(hint):
                raise UsageError(
                    f"{name} is {getattr(self, name)!r}; wanted is one of {', '.join(get_args(hint))}."
                )
        if self.lr <= 0:
            raise UsageError(f"lr is {self.lr}; wanted is a learning rate above 0.")
        if not self.ema < 1:
            raise UsageError(f"ema is {self.ema}; wanted is a decay from 0 to below 1, such as 0.999.")
        if self.schedule == "cosine-restarts" and self.t0 < 1:
            raise UsageError("cosine-restarts needs t0, the steps of its first cycle.")
        if self.schedule != "constant" and self.warmup > self.steps:
            raise UsageError(
                f"warmup is {self.warmup} steps and the whole run {self.steps}; shorten the warm-up."
            )
        if self.batch_size % self.accumulate:
            raise UsageError(
                f"batch_size {self.batch_size} does not split into {self.accumulate} equal parts; choose accumulate "
                "so that it does."
            )


_LEAST = {
    "steps": 1,
    "batch_size": 1,
    "accumulate": 1,
    "weight_decay": 0,
    "warmup": 0,
    "eta_min": 0,
    "t0": 0,
    "t_mult": 1,
    "clip_norm": 0,
    "ema": 0,
    "seed": 0,
    "workers": 0,
    "eval_every": 0,
    "checkpoint_every": 0,
    "keep_checkpoints": 1,
    "log_every": 1,
}


def over_epochs(
    config: FitConfig, samples: int, *, epochs: int, eval_epochs: int = 1, **counted: int
) -> FitConfig:
    """The config of a run over so many passes of the data; an epoch is samples // batch_size steps.

    eval_epochs: from one evaluation, and one checkpoint, to the next. counted: other fields, given in epochs, such as
    warmup=3. With epochs=0 the config stays as it is. UsageError where there is not one whole batch.
    """
    if epochs == 0:
        if dropped := [name for name, number in counted.items() if name == "warmup" and number]:
            raise UsageError(f"{dropped[0]} is given in epochs, and the run in steps; give it in steps too.")
        return config
    usual = FitConfig()
    for name in ("steps", "eval_every", "checkpoint_every"):
        if getattr(config, name) != getattr(usual, name):
            raise UsageError(
                f"{name} is {getattr(config, name)}, and follows from the {epochs} epochs of this run; for a run that "
                "is counted in steps set epochs to 0."
            )
    epoch = samples // config.batch_size
    if epoch == 0:
        raise UsageError(f"there are {samples} training images, fewer than one batch of {config.batch_size}.")
    told = {"steps": epochs, "eval_every": eval_epochs, "checkpoint_every": eval_epochs, **counted}
    return replace(config, **{name: number * epoch for name, number in told.items()})
