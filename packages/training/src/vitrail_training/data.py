"""Which sample comes when. All of it is a function of (seed, position), so a run can go on from anywhere.

The position counts the samples of a run from 0, over all processes. Neither the number of workers nor what
they have read ahead has any part in it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from vitrail.errors import InputError, UsageError, VitrailError
from vitrail_training.config import FitConfig

ORDER, SAMPLE, SUBSTITUTE = range(3)  # separate streams of random numbers
_TRIES = 20


class Dataset(Protocol):
    """What a run reads from."""

    def __len__(self) -> int: ...

    def sample(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """One sample: arrays, tensors, numbers or strings by name, of equal shapes from sample to sample.

        All randomness comes from `rng`. Raises InputError for a sample that cannot be read.
        """


class Skipped(NamedTuple):
    """A sample that could not be read, and why."""

    index: int
    reason: str


class Loaded(NamedTuple):
    """One process's part of a step. `indices` are those of the dataset, in the order of the batch.

    error: why there is no batch, where reading it cannot go on: for the training process to raise, since what a worker
    raises reaches it as a traceback.
    """

    batch: dict[str, Any]
    indices: list[int]
    skipped: list[Skipped]
    error: VitrailError | None = None


def generator(seed: int, *stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=stream))


class Order:
    """position -> index: every epoch is a new permutation of the whole dataset."""

    def __init__(self, length: int, seed: int) -> None:
        if length < 1:
            raise UsageError("The dataset is empty; training needs at least one sample.")
        self.length, self.seed = length, seed
        self._epoch, self._permutation = -1, np.empty(0, dtype=np.int64)

    def __call__(self, position: int) -> int:
        epoch, place = divmod(position, self.length)
        if epoch != self._epoch:
            self._permutation = generator(self.seed, ORDER, epoch).permutation(self.length)
            self._epoch = epoch
        return int(self._permutation[place])

    def substitute(self, position: int, attempt: int) -> int:
        """The sample to take where the one at `position` cannot be read."""
        return int(generator(self.seed, SUBSTITUTE, position, attempt).integers(self.length))


def positions(config: FitConfig, step: int, part: int, rank: int, world: int) -> range:
    """The positions that process `rank` of `world` takes in part `part` of a step."""
    share = config.batch_size // (config.accumulate * world)
    start = step * config.batch_size + (part * world + rank) * share
    return range(start, start + share)


class Read(NamedTuple):
    """A sample, and what was skipped on the way to it; or None, with the error if it was not for skipping."""

    index: int
    values: Mapping[str, Any] | None
    skipped: list[Skipped]
    error: VitrailError | None = None


class _Reader:
    """Turns positions into samples, wherever it runs."""

    def __init__(self, dataset: Dataset, config: FitConfig) -> None:
        self.dataset, self.config = dataset, config
        self.order = Order(len(dataset), config.seed)

    def __len__(self) -> int:
        return self.config.steps * self.config.batch_size

    def __getitem__(self, position: int) -> Read:
        skipped: list[Skipped] = []
        index = self.order(position)
        for attempt in range(_TRIES):
            if attempt:
                index = self.order.substitute(position, attempt)
            try:
                rng = generator(self.config.seed, SAMPLE, position, attempt)
                return Read(index, self.dataset.sample(index, rng), skipped)
            except InputError as error:
                skipped.append(Skipped(index, str(error)))
                if self.config.strict:
                    break
            except VitrailError as error:
                return Read(index, None, skipped, error)
        return Read(index, None, skipped)


class _Plan:
    """The positions of each part of each step, for one process."""

    def __init__(self, config: FitConfig, start: int, rank: int, world: int) -> None:
        self.config, self.start, self.rank, self.world = config, start, rank, world

    def __iter__(self) -> Iterator[range]:
        for step in range(self.start, self.config.steps):
            for part in range(self.config.accumulate):
                yield positions(self.config, step, part, self.rank, self.world)


class _Collate:
    def __init__(self, collate: Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]) -> None:
        self.collate = collate

    def __call__(self, read: Sequence[Read]) -> Loaded:
        skipped = [each for one in read for each in one.skipped]
        indices = [one.index for one in read]
        samples = [one.values for one in read if one.values is not None]
        error = next((one.error for one in read if one.error is not None), None)
        batch: dict[str, Any] = {}
        if len(samples) == len(read):
            try:
                batch = self.collate(samples)
            except VitrailError as found:
                error = found
        return Loaded(batch, indices, skipped, error)


def stack(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Samples to a batch: each array or number becomes a tensor with a first dimension B; strings, a list."""
    batch: dict[str, Any] = {}
    for name in samples[0]:
        values = [sample[name] for sample in samples]
        if isinstance(values[0], np.ndarray | Tensor):
            shapes = {tuple(value.shape) for value in values}
            if len(shapes) > 1:
                raise UsageError(
                    f"{name!r} has shapes {' and '.join(map(str, sorted(shapes)))} within one batch; "
                    "sample() must return equal ones, or the task a collate() of its own."
                )
        if isinstance(values[0], np.ndarray):
            batch[name] = torch.from_numpy(np.stack(values))
        else:
            batch[name] = default_collate(values)
    return batch


def batches(
    dataset: Dataset,
    config: FitConfig,
    *,
    start: int,
    rank: int,
    world: int,
    collate: Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]] = stack,
    pin: bool = False,
) -> Generator[Loaded, None, None]:
    """The batches of process `rank` from step `start` to the end, `accumulate` of them a step.

    Close it when done: that lets go of the loader, which then ends its workers.
    """
    if config.batch_size % (config.accumulate * world):
        raise UsageError(
            f"batch_size {config.batch_size} does not split into {config.accumulate} equal parts on each of {world} "
            "processes; choose a multiple of their product."
        )
    loader = DataLoader(
        _Reader(dataset, config),  # type: ignore[arg-type]
        batch_sampler=_Plan(config, start, rank, world),  # type: ignore[arg-type]
        collate_fn=_Collate(collate),
        num_workers=config.workers,
        worker_init_fn=_worker_starts,
        pin_memory=pin,
        generator=torch.Generator(),  # else it would draw from the global one
    )
    return _each(iter(loader))


def _each(batches: Iterator[Loaded]) -> Generator[Loaded, None, None]:
    yield from batches


def refuse_unreadable(loaded: Loaded, config: FitConfig) -> None:
    """Raises InputError when a sample of this batch could not be read and nothing may take its place, or what else
    stopped the reading."""
    if loaded.error is not None:
        raise loaded.error
    if loaded.batch or not loaded.skipped:
        return
    index, reason = loaded.skipped[-1]
    if config.strict:
        raise InputError(f"Sample {index} cannot be read, and strict is set: {reason}")
    raise InputError(
        f"{_TRIES} samples in a row cannot be read, the last of them sample {index}: {reason} Check the dataset."
    )


def _worker_starts(worker: int) -> None:
    """A signal to the whole process group is for the training process, which ends its workers in good order.

    A second SIGTERM is obeyed: with it, a worker that does not answer is ended.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, signal.SIG_DFL))
