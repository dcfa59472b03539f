"""The little that a method needs to know about other processes. accelerate and torchrun do the rest."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import Tensor

from vitrail.errors import UsageError, VitrailError
from vitrail_training.config import FitConfig

T = TypeVar("T")

TIMEOUT = timedelta(hours=1)
"""How long processes wait for each other: an evaluation that one of them does alone may take its time."""


def world() -> int:
    """Number of training processes; 1 outside torchrun."""
    return dist.get_world_size() if _several() else 1


def rank() -> int:
    """Number of this process, from 0; process 0 writes the files."""
    return dist.get_rank() if _several() else 0


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()


def sum_across(value: Tensor) -> Tensor:
    """The sum of `value` (any shape) over all processes, for losses that are not means over samples.

    A Dice loss, or a mean over the pixels that count, is a function f(S) of sums S = s_0 + s_1 + ... to which
    each process adds its own samples' part s_r. Every process computes the same f(S). Its backward pass
    therefore has to bring dS to s_r from the f of *every* process: the gradient is summed over processes too,
    which makes it W times dL/ds_r for W processes. DistributedDataParallel then averages the gradients of the
    weights, (1/W) sum_r W dL/ds_r ds_r/dw = dL/dw: exactly the gradient of one process with the whole batch.
    A loss that is a mean over samples needs none of this: the mean of the processes' means is the mean.

    With gradient accumulation (`accumulate` > 1) the sums are those of one part of the step, not of the step.
    Every process must call it, equally often. Outside torchrun it returns `value`.
    """
    return _SumAcross.apply(value) if world() > 1 else value  # type: ignore[no-any-return, no-untyped-call]


class _SumAcross(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # type: ignore[override]
        return _summed(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return _SumAcross.apply(gradient)  # type: ignore[no-any-return, no-untyped-call]


def _summed(value: Tensor) -> Tensor:
    value = value.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(value)
    return value


def gather_objects(value: T) -> list[T]:
    """`value` of every process, in the order of their numbers, on every process."""
    if world() == 1:
        return [value]
    gathered: list[Any] = [None] * world()
    dist.all_gather_object(gathered, value)
    return gathered


def mean_across(values: Mapping[str, float]) -> dict[str, float]:
    """The mean of each value over all processes; for an evaluation of which each did an equal share."""
    gathered = gather_objects(dict(values))
    return {name: sum(each[name] for each in gathered) / len(gathered) for name in values}


def mean_and_sum(
    means: Mapping[str, Tensor], sums: Sequence[int], device: torch.device
) -> tuple[dict[str, float], list[int]]:
    """Scalars averaged, and whole numbers summed, over all processes in one exchange, read by the host at once."""
    values = torch.stack([*(value.detach().to(device, torch.float32) for value in means.values())])
    values = torch.cat([values, torch.tensor(sums, dtype=torch.float32, device=device)])
    if world() > 1:
        dist.all_reduce(values)
    read = values.tolist()
    averaged = {name: value / world() for name, value in zip(means, read)}
    return averaged, [round(value) for value in read[len(means) :]]


def on_main(function: Callable[[], T]) -> T:
    """Call `function` on process 0 only and hand its result, or its VitrailError, to all of them."""
    if world() == 1:
        return function()
    outcome: list[Any] = [None]
    if rank() == 0:
        try:
            outcome = [(function(), None)]
        except VitrailError as error:
            outcome = [(None, error)]
    dist.broadcast_object_list(outcome, src=0)
    result, error = outcome[0]
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


@contextmanager
def accelerated(config: FitConfig, *, find_unused_parameters: bool = False) -> Iterator[Accelerator]:
    """An Accelerator for one run, taken down again afterwards so that a next run may differ."""
    on_cpu = config.device == "cpu" or (config.device == "auto" and not torch.cuda.is_available())
    if config.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device is cuda, and torch finds no CUDA device here; use auto or cpu.")
    if config.device == "mps" and not torch.backends.mps.is_available():
        raise UsageError("device is mps, and torch finds no Apple GPU here; use auto or cpu.")
    if on_cpu and config.precision == "fp16":
        raise UsageError("precision is fp16, which needs a GPU; on a CPU use bf16 or fp32.")
    borrowed = AcceleratorState._shared_state != {}
    precision = "no" if config.precision == "fp32" else config.precision
    try:
        accelerator = Accelerator(
            cpu=on_cpu,
            mixed_precision=precision,
            kwargs_handlers=[
                DistributedDataParallelKwargs(find_unused_parameters=find_unused_parameters),
                InitProcessGroupKwargs(timeout=TIMEOUT),
            ],
        )
    except ValueError as error:
        raise UsageError(
            f"accelerate cannot start: {error}. If the program made an Accelerator of its own, its precision and "
            "device must be those of this run."
        ) from error
    if accelerator.state.mixed_precision != precision:
        raise UsageError(f"precision is {config.precision}, and accelerate was started with another before.")
    try:
        yield accelerator
    finally:
        accelerator.free_memory()
        if not borrowed:
            AcceleratorState._reset_state(reset_partial_state=True)
    if _several():
        # not now: a group cannot be started twice under one torchrun, and another run may follow
        atexit.register(_leave)


def _leave() -> None:
    if _several():
        gc.collect()  # wrapped networks hold the group, in cycles; its threads must end before the interpreter does
        dist.destroy_process_group()
        gc.collect()
