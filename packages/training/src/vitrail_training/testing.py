"""Checks that a method's tests call on its own training task."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vitrail_training.checkpoint import find_checkpoint, read_checkpoint
from vitrail_training.config import FitConfig
from vitrail_training.data import generator
from vitrail_training.loop import fit
from vitrail_training.task import Task
from vitrail_training.tracking import TIMES, read_metrics


def check_resume_is_bit_equal(make_task: Callable[[], Task], config: FitConfig, tmp_path: Path) -> None:
    """A run that is broken off between two checkpoints and resumed ends as one that was not.

    make_task: a new task, with the same initial weights each time. config: a few steps (4 are enough) on the CPU.
    Everything is compared bit by bit: weights, averages, optimizer, the task's own state, random generators, and
    what was logged. An AssertionError names the first difference.
    """
    every = max(1, config.steps // 2)
    config = replace(config, device="cpu", checkpoint_every=every, log_every=1)
    fit(make_task(), config, out=tmp_path / "whole")
    task, broken_off = make_task(), min(every + 1, config.steps) - 1
    after_step = task.after_step

    def break_off(step: int) -> None:
        after_step(step)
        if step == broken_off:
            raise _BrokenOff

    task.after_step = break_off  # type: ignore[method-assign]
    with suppress(_BrokenOff):
        fit(task, config, out=tmp_path / "resumed")
    fit(make_task(), config, out=tmp_path / "resumed", resume="auto")
    assert_same_run(tmp_path / "whole", tmp_path / "resumed")


class _BrokenOff(BaseException):
    """Nobody catches it by accident."""


def check_overfits_one_batch(
    make_task: Callable[[], Task], config: FitConfig, tmp_path: Path, *, factor: float = 0.2
) -> None:
    """Trained on one batch again and again, the loss falls below `factor` of what it was at first.

    The dataset is cut to its first config.batch_size samples, always with the same augmentation; nothing is
    evaluated.
    """
    task = make_task()
    task.evaluate = lambda model: {}  # type: ignore[method-assign]
    task.dataset = _FewSamples(task.dataset, config.batch_size, config.seed)
    fit(task, replace(config, log_every=1, checkpoint_every=0, best_metric=""), out=tmp_path / "one-batch")
    losses = [line["loss"] for line in read_metrics(tmp_path / "one-batch") if "loss" in line]
    first, last = losses[0], losses[-1]
    assert last < factor * first, f"the loss went from {first:.4g} to {last:.4g}, not below {factor:g} of it"


class _FewSamples:
    def __init__(self, dataset: Any, count: int, seed: int) -> None:
        self.dataset, self.seed = dataset, seed
        self.count = min(count, len(dataset))

    def __len__(self) -> int:
        return self.count

    def sample(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        return self.dataset.sample(index, generator(self.seed, index))  # type: ignore[no-any-return]


def run_script(script: Path, *arguments: object, processes: int = 1) -> str:
    """Run a training script by itself, or in several processes under torchrun, with one thread each; its output.

    AssertionError with the end of its error output where it fails.
    """
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), str(script), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def assert_same_run(one: Path, other: Path) -> None:
    """Both runs ended with the same checkpoint and logged the same, the clock's values aside."""
    first, second = (find_checkpoint(run) for run in (one, other))
    assert first is not None, f"{one} has no checkpoint"
    assert second is not None, f"{other} has no checkpoint"
    (state, parts), (other_state, other_parts) = read_checkpoint(first), read_checkpoint(second)
    _assert_same(state["counts"], other_state["counts"], "counts")
    _assert_same(parts, other_parts, "checkpoint")
    _assert_same(*([_timeless(line) for line in read_metrics(run)] for run in (one, other)), "metrics.jsonl")


def _timeless(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in TIMES}


def _assert_same(one: Any, other: Any, where: str) -> None:
    assert type(one) is type(other), f"{where}: {type(one).__name__} and {type(other).__name__}"
    if isinstance(one, Mapping):
        assert list(one) == list(other), f"{where}: other names"
        for name in one:
            _assert_same(one[name], other[name], f"{where}/{name}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), f"{where}: {len(one)} and {len(other)} entries"
        for place, (mine, theirs) in enumerate(zip(one, other)):
            _assert_same(mine, theirs, f"{where}/{place}")
    elif isinstance(one, Tensor | np.ndarray):
        mine, theirs = torch.as_tensor(one), torch.as_tensor(other)
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype), f"{where} has another shape or dtype"
        assert torch.equal(_bits(mine), _bits(theirs)), f"{where} differs"
    else:
        assert one == other, f"{where}: {one!r} and {other!r}"


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)
