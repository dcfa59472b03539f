"""Faces to features as the verification protocols want them: f(x) + f(mirrored x).

The protocols add what the network gives, before it is divided by its length. `Recognizer.embed` gives unit
vectors, so the sum needs the network itself, `component.module`. A recogniser that has only `embed` has its
unit vectors added: both views then count alike, and for IJB a feature's length says nothing about how good
the picture is. Accuracies from the two differ a little and IJB rates more, so a report says which it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError
from vitrail_recognition.decode import Pixels

Vectors = NDArray[np.float32]
READ_AHEAD = 3  # batches, the one in work included


class Features(NamedTuple):
    """sums: (N, D), the protocols' features, not of length 1. plain: (N, D) unit vectors, as `embed` gives.

    readable: (N,) bool; the rows of other faces are zero. reasons: why those could not be read, in their
    order.
    """

    sums: Vectors
    plain: Vectors
    readable: NDArray[np.bool_]
    reasons: tuple[str, ...]


class Embedder:
    """Turns batches of aligned crops into features. mirrored: whether the mirrored view is added.

    from_module: whether they come from the network; decided by the first batch, whose vectors must agree with
    `embed`.
    """

    def __init__(self, component: Any, *, mirrored: bool = True) -> None:
        self.component, self.mirrored = component, mirrored
        self.from_module: bool | None = None

    @property
    def description(self) -> str:
        if not self.mirrored:
            return "f(x)"
        how = "the network's output" if self.from_module else "unit vectors, since there is no network to ask"
        return f"f(x) + f(mirrored x) of {how}"

    def __call__(self, faces: Sequence[Pixels]) -> tuple[Vectors, Vectors]:
        """Features (B, D), and the unit vectors of the faces alone, (B, D)."""
        if self.from_module is None:
            self.from_module = self._module_agrees(faces)
        one = self._embed(faces)
        lengths = np.linalg.norm(one, axis=1, keepdims=True)
        if not np.all(lengths > 0):  # nan included
            raise UsageError(
                f"{self.component.spec.id} gives vectors of length 0, or nan; check its weights."
            )
        if not self.mirrored:
            return one, one / lengths
        return one + self._embed([np.ascontiguousarray(face[:, ::-1]) for face in faces]), one / lengths

    def _embed(self, faces: Sequence[Pixels]) -> Vectors:
        return self._raw(faces) if self.from_module else self.component.embed(faces).vectors

    def _module_agrees(self, faces: Sequence[Pixels]) -> bool:
        """Whether the network is there, and gives `embed`'s vectors but for their length."""
        if getattr(self.component, "module", None) is None:
            return False
        wanted = self.component.embed(faces).vectors
        try:
            raw = self._raw(faces)
        except (TypeError, ValueError, AttributeError, RuntimeError):
            return False  # it wants another input than we know how to make
        if raw.shape != wanted.shape or not np.isfinite(raw).all():
            return False
        cosines = (raw * wanted).sum(axis=1) / np.maximum(np.linalg.norm(raw, axis=1), 1e-30)
        return bool((cosines > 0.999).all())

    def _raw(self, faces: Sequence[Pixels]) -> Vectors:
        """The network's output for what `prepare` makes of the faces or, without it, (value - 127.5) /
        127.5."""
        import torch

        with torch.inference_mode():
            if hasattr(self.component, "prepare"):
                inputs = self.component.prepare(faces)
            else:
                pixels = torch.from_numpy(np.stack(faces)).to(self.component.device)
                inputs = (pixels.permute(0, 3, 1, 2).float() - 127.5) / 127.5
            given = self.component.module(inputs)
            output = given if isinstance(given, torch.Tensor) else given.embedding
            return output.float().cpu().numpy()  # type: ignore[no-any-return]


def embed_faces(
    embedder: Embedder,
    read: Callable[[int], Pixels],
    indices: Sequence[int] | NDArray[np.int64],
    *,
    batch: int = 64,
    workers: int = 2,
    strict: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> Features:
    """Features of read(i) for each index, in their order; pictures are read by threads while the network
    computes.

    A picture that raises InputError is left out, unless `strict`. advance: called with the faces done since
    the last call. Raises UsageError where no picture can be read.
    """
    if batch < 1 or workers < 1:
        raise UsageError(f"batch is {batch} and workers {workers}; wanted is 1 or more.")
    count = len(indices)
    sums = plain = np.zeros((count, 0), np.float32)
    readable, reasons = np.zeros(count, bool), []
    for start, results in _read_ahead(read, indices, batch, workers):
        good = [place for place, result in enumerate(results) if not isinstance(result, InputError)]
        failures = [result for result in results if isinstance(result, InputError)]
        if failures and strict:
            raise failures[0]
        reasons += map(str, failures)
        if good:
            some, alone = embedder([results[place] for place in good])  # type: ignore[misc]
            if not sums.shape[1]:
                sums, plain = (np.zeros((count, some.shape[1]), np.float32) for _ in range(2))
            rows = start + np.array(good)
            sums[rows], plain[rows], readable[rows] = some, alone, True
        advance(len(results))
    if not readable.any():
        raise UsageError(
            f"None of {count} pictures can be used; the first: {reasons[0] if reasons else 'none'}"
        )
    return Features(sums, plain, readable, tuple(reasons))


def _read_ahead(
    read: Callable[[int], Pixels], indices: Sequence[int] | NDArray[np.int64], batch: int, workers: int
) -> Iterator[tuple[int, list[Pixels | InputError]]]:
    def one(index: int) -> Pixels | InputError:
        try:
            return read(index)
        except InputError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        queue: list[tuple[int, list[Future[Pixels | InputError]]]] = []
        for start in range(0, len(indices), batch):
            queue.append((start, [pool.submit(one, int(i)) for i in indices[start : start + batch]]))
            if len(queue) == READ_AHEAD:
                first, futures = queue.pop(0)
                yield first, [future.result() for future in futures]
        for first, futures in queue:
            yield first, [future.result() for future in futures]
