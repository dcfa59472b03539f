"""The training loop. It is the only one: a method brings its network, its data and its loss (see task.py)."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from signal import SIGTERM, Signals
from typing import NamedTuple

import torch
from accelerate.utils import send_to_device
from torch import Tensor

from vitrail.errors import BrokenError, UsageError
from vitrail_training import checkpoint, data, distributed, folder, rng
from vitrail_training.config import FitConfig
from vitrail_training.run import FitResult, Run
from vitrail_training.schedule import ends_within_a_cycle, set_learning_rate
from vitrail_training.stopping import Interrupted, StopSignals, exit_code
from vitrail_training.task import Task
from vitrail_training.tracking import Tracker


def fit(task: Task, config: FitConfig, *, out: Path | str, resume: Path | str | None = None) -> FitResult:
    """Train `task.model`, which changes in place and ends with the last weights. Into `out` go fit.json (the
    resolved config), metrics.jsonl, checkpoints/, best/ and final/ (what Task.save writes) and result.json.

    resume: "auto" goes on from the last checkpoint in `out`, or begins if there is none; a path goes on from
        that checkpoint, or from the last one of that run. Without it `out` must not hold a run.

    Under torchrun every process calls it alike; config.batch_size is that of all of them together.

    A run that was killed and resumed ends bit-equal to one that was not, on a CPU with the same number of
    threads and processes. With another number of processes it goes on from the same weights and samples.

    Raises UsageError, InputError or BrokenError with the reason; Interrupted (a SystemExit) when SIGTERM or
    Ctrl-C has stopped it and its state is saved.
    """
    out = Path(out)
    with ExitStack() as stack:
        accelerator = stack.enter_context(
            distributed.accelerated(config, find_unused_parameters=task.find_unused_parameters)
        )
        stack.enter_context(rng.deterministic(config.deterministic or accelerator.device.type == "cpu"))
        found = distributed.on_main(lambda: folder.claim(out, resume))
        tracker = stack.enter_context(Tracker(out, config, main=accelerator.is_main_process))
        run = Run(task, config, out, accelerator, tracker)
        stack.callback(run.unwrap)
        if found is not None:
            run.load(found)
        train(run, stack.enter_context(StopSignals()))
        return run.finish()


def train(run: Run, signals: StopSignals) -> None:
    """From where the run is to its last step."""
    config, counts = run.config, run.counts
    if cycle := ends_within_a_cycle(config):
        run.say(f"The schedule is cut off within a cycle; {cycle[0]} or {cycle[1]} steps would end with one.")
    batches = data.batches(
        run.task.dataset,
        config,
        start=counts.step,
        rank=distributed.rank(),
        world=distributed.world(),
        collate=run.task.collate,
        pin=run.device.type == "cuda",
    )
    with closing(batches):
        run.begin()
        evaluate(run)  # it may be due still: a signal came just before it, or it failed
        while counts.step < config.steps:
            began = time.monotonic()
            numbers, stop = train_step(run, batches, signals)
            counts.step += 1
            run.log(numbers, time.monotonic() - began)
            if stop:
                path = run.save()
                run.say(
                    f"Stopped by {Signals(stop).name} after step {counts.step} of {config.steps}, and saved {path}. "
                    "Resume to go on."
                )
                raise Interrupted(exit_code(stop), path)
            evaluate(run)
            if config.checkpoint_every and counts.step % config.checkpoint_every == 0:
                run.save()


def evaluate(run: Run) -> None:
    """Evaluate where that is due; a failure of a single process costs no steps, since a checkpoint is written first."""
    if not run.evaluation_is_due():
        return
    try:
        run.evaluate()
    except Exception:
        # Where there are several processes, the others may not have failed, and would be waited for in vain.
        if distributed.world() == 1 and run.saved_step != run.counts.step:
            path = run.save()
            run.say(
                f"The evaluation after step {run.counts.step} failed. Saved {path}; resume to go on from there."
            )
        raise


def train_step(
    run: Run, batches: Iterator[data.Loaded], signals: StopSignals
) -> tuple[dict[str, float], int]:
    """One update of the weights: the values to log, and the signal that asks for a stop, or 0."""
    config, step = run.config, run.counts.step
    lr = set_learning_rate(run.optimizer, config, step)
    run.optimizer.zero_grad(set_to_none=True)
    parts = []
    for number in range(config.accumulate):
        last = number == config.accumulate - 1
        with nullcontext() if last else run.accelerator.no_sync(run.model):
            part = forward(run, next(batches), step)
            run.accelerator.backward(part.values["loss"] / config.accumulate)
        parts.append(part.detached())
    norm = run.accelerator.clip_grad_norm_(run.parameters, config.clip_norm) if config.clip_norm else None
    numbers, stop = agree(run, parts, norm, signals)
    run.optimizer.step()
    if run.ema:
        run.ema.update(run.network, step)
    run.task.after_step(step)
    return {**numbers, "lr": lr}, stop


class Part(NamedTuple):
    """One forward pass, a part of a step: the dataset's indices, "loss" and what else is logged (scalars)."""

    indices: list[int]
    values: dict[str, Tensor]
    skipped: int

    def detached(self) -> Part:
        return self._replace(values={name: value.detach() for name, value in self.values.items()})


def forward(run: Run, loaded: data.Loaded, step: int) -> Part:
    """The loss of one batch; samples that were skipped on the way are reported, each once."""
    data.refuse_unreadable(loaded, run.config)
    for index, reason in loaded.skipped:
        if index not in run.known_bad:
            run.known_bad.add(index)
            run.tracker.say(f"Step {step + 1}: sample {index} is skipped. {reason}")
    batch = send_to_device(loaded.batch, run.device, non_blocking=True)
    result = run.task.loss(run.model, batch, step)
    loss, more = result if isinstance(result, tuple) else (result, {})
    for name, value in {"loss": loss, **more}.items():
        if not isinstance(value, Tensor) or value.ndim:
            raise UsageError(f"loss() gave {name} as {_kind(value)}; wanted is a tensor with one number, ().")
    return Part(loaded.indices, {"loss": loss, **more}, len(loaded.skipped))


def _kind(value: object) -> str:
    return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def agree(
    run: Run, parts: list[Part], norm: Tensor | None, signals: StopSignals
) -> tuple[dict[str, float], int]:
    """What a step has to log, as means over its parts and the processes, and the signal to stop by, or 0.

    Raises BrokenError when the loss, or the gradient of a run without loss scaling, is not finite.
    """
    names = [tuple(part.values) for part in parts]
    if run.counts.step == run.first_step:
        names += distributed.gather_objects(names[0])
    if len(set(names)) > 1:
        raise UsageError(
            f"loss() must log the same values each time; it gave {' and then '.join(map(str, names))}."
        )
    values = {name: torch.stack([part.values[name].float() for part in parts]).mean() for name in names[0]}
    if norm is not None:
        values["grad_norm"] = norm
    counted = [sum(part.skipped for part in parts), int(bool(signals.received))]
    numbers, (skipped, stop) = distributed.mean_and_sum(values, counted, run.device)
    if not math.isfinite(numbers["loss"]):
        refuse_step(run, "loss", parts)
    if not math.isfinite(numbers.get("grad_norm", 0.0)):
        if run.accelerator.scaler is None:
            refuse_step(run, "gradient", parts)
        del numbers["grad_norm"]  # the scaler leaves such a step out, and scales less from now on
    run.counts.skipped += skipped
    return numbers, (signals.received or SIGTERM) if stop else 0


def refuse_step(run: Run, what: str, parts: list[Part]) -> None:
    """Raise, and name the samples of the parts that went wrong, on whichever process."""
    mine = [(part.indices, part.values["loss"].item()) for part in parts]
    everyone = [each for theirs in distributed.gather_objects(mine) for each in theirs]
    bad = [each for each in everyone if not math.isfinite(each[1])] or everyone
    found = bad[0][1] if what == "loss" else "not finite"
    samples = ", ".join(str(index) for indices, _ in bad for index in indices)
    last = checkpoint.find_checkpoint(run.out)
    kept = f" The checkpoint {last} is from before it." if last else ""
    raise BrokenError(
        f"The {what} is {found} at step {run.counts.step + 1}, in the batch of samples {samples}. Look at these "
        f"samples, or lower the learning rate.{kept}"
    )
