"""H0 persistence on the CPU, compiled by numba: float32, one thread a matrix, as many as torch has."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vitrail_training.kernels import threads
from vitrail_training.kernels.compiled import import_compiled

_kernels = import_compiled(f"{__name__.rpartition('.')[0]}.cpu_kernels")
_PLACE = 0xFFFFFFFF


def trees(distances: Tensor) -> Tensor:
    """As reference.trees, for float32 and narrower."""
    matrices = _as_integers(distances)
    batch, n, _ = matrices.shape
    keys = np.empty((batch, n - 1), np.int64)

    def task(index: int) -> None:
        _kernels.prim(matrices[index], keys[index])
        keys[index].sort()

    threads.each(task, range(batch), work=n * n)
    return torch.from_numpy(keys & _PLACE)


def pairs(distances: Tensor) -> tuple[Tensor, Tensor]:
    """Edges (B, n - 1, 2) int64 and their lengths (B, n - 1), n at least 1, without a step of torch in between."""
    matrices = _as_integers(distances)
    batch, n, _ = matrices.shape
    edges, lengths = np.empty((batch, n - 1, 2), np.int64), np.empty((batch, n - 1), np.int32)

    def task(index: int) -> None:
        keys = np.empty(n - 1, np.int64)
        _kernels.prim(matrices[index], keys)
        keys.sort()
        _kernels.unpack(matrices[index], keys, edges[index], lengths[index])

    threads.each(task, range(batch), work=n * n)
    return torch.from_numpy(edges), torch.from_numpy(lengths.view(np.float32)).to(distances.dtype)


def sound(distances: Tensor) -> bool:
    """Whether all matrices (B, n, n) are without NaN and symmetric bit by bit; see cpu_kernels.sound."""
    matrices = _as_integers(distances)
    found = [True] * len(matrices)

    def task(index: int) -> None:
        found[index] = bool(_kernels.sound(matrices[index]))

    threads.each(task, range(len(matrices)), work=matrices.shape[1] ** 2)
    return all(found)


def _as_integers(distances: Tensor) -> np.ndarray:
    return distances.detach().float().contiguous().numpy().view(np.int32)
