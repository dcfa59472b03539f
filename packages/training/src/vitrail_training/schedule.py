"""Learning rates as a function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

from math import cos, pi

import torch

from vitrail_training.config import FitConfig


def learning_rate(config: FitConfig, step: int, highest: float | None = None) -> float:
    """The learning rate of a step (counted from 0).

    Warm-up: highest * (step + 1) / (warmup + 1), so that the first step after it has the highest rate. Then,
    with t steps since the warm-up and T steps from there to the end:

    - constant: highest;
    - cosine: eta_min + (highest - eta_min) * (1 + cos(pi * t / T)) / 2, Loshchilov and Hutter (SGDR), eq. 5;
    - cosine-restarts: the same with t counted from the start of the cycle and T the cycle's length; the
      cycles are t0, t0 * t_mult, t0 * t_mult ** 2, ... steps long;
    - poly: eta_min + (highest - eta_min) * (1 - t / T) ** power;
    - step: highest * gamma ** (milestones that have been reached), counted from the first step of the run.

    highest: the rate of this group of parameters; config.lr where None.
    """
    highest = config.lr if highest is None else highest
    if step < config.warmup:
        return highest * (step + 1) / (config.warmup + 1)
    since, length = step - config.warmup, max(1, config.steps - config.warmup)
    fall = highest - config.eta_min
    if config.schedule == "cosine":
        return config.eta_min + fall * (1 + cos(pi * min(since, length) / length)) / 2
    if config.schedule == "cosine-restarts":
        since, length = _cycle(config, since)
        return config.eta_min + fall * (1 + cos(pi * since / length)) / 2
    if config.schedule == "poly":
        return config.eta_min + fall * (1 - min(since, length) / length) ** config.power
    if config.schedule == "step":
        return highest * config.gamma ** sum(step >= milestone for milestone in config.milestones)
    return highest


def _cycle(config: FitConfig, since: int) -> tuple[int, int]:
    """Steps since the present cycle began, and its length."""
    length = config.t0
    while since >= length:
        since -= length
        length *= config.t_mult
    return since, length


def ends_within_a_cycle(config: FitConfig) -> tuple[int, int] | None:
    """Where cosine-restarts would stop before its cycle is over: the nearest step counts that end one."""
    if config.schedule != "cosine-restarts":
        return None
    since, length = _cycle(config, config.steps - config.warmup)
    return (config.steps - since, config.steps - since + length) if since else None


def set_learning_rate(optimizer: torch.optim.Optimizer, config: FitConfig, step: int) -> float:
    """Give every group the rate of `step`, from the rate that it began with; returns the first group's."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(config, step, group.setdefault("initial_lr", group["lr"]))
    return float(optimizer.param_groups[0]["lr"])
