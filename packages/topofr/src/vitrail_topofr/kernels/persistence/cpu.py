"""H0 persistence on the CPU, compiled by numba: float32, one thread a matrix, as many as torch has.

Threads are plain Python threads around loops that release the GIL, not numba's own: no second thread pool
that spins beside torch's, and safe to call from several threads and after a fork.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from vitrail_training.kernels.compiled import import_compiled

_kernels = import_compiled(f"{__name__.rpartition('.')[0]}.cpu_kernels")
_SMALL = 1 << 15  # entries of a matrix below which a thread costs more than it brings
_PLACE = 0xFFFFFFFF

_pools: dict[int, ThreadPoolExecutor] = {}
_pools_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # threads do not survive a fork


def trees(distances: Tensor) -> Tensor:
    """As reference.trees, for float32 and narrower."""
    matrices = _as_integers(distances)
    batch, n, _ = matrices.shape
    keys = np.empty((batch, n - 1), np.int64)

    def task(index: int) -> None:
        _kernels.prim(matrices[index], keys[index])
        keys[index].sort()

    _each(task, batch, n * n)
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

    _each(task, batch, n * n)
    return torch.from_numpy(edges), torch.from_numpy(lengths.view(np.float32)).to(distances.dtype)


def sound(distances: Tensor) -> bool:
    """Whether all matrices (B, n, n) are without NaN and symmetric bit by bit; see cpu_kernels.sound."""
    matrices = _as_integers(distances)
    found = [True] * len(matrices)

    def task(index: int) -> None:
        found[index] = bool(_kernels.sound(matrices[index]))

    _each(task, len(matrices), matrices.shape[1] ** 2)
    return all(found)


def _as_integers(distances: Tensor) -> np.ndarray:
    return distances.detach().float().contiguous().numpy().view(np.int32)


def _each(task, count: int, size: int) -> None:
    threads = min(torch.get_num_threads(), count)
    if threads <= 1 or size < _SMALL:
        for index in range(count):
            task(index)
    else:
        list(_pool(torch.get_num_threads()).map(task, range(count)))


def _pool(threads: int) -> ThreadPoolExecutor:
    with _pools_lock:
        if threads not in _pools:
            _pools[threads] = ThreadPoolExecutor(threads, thread_name_prefix="persistence")
        return _pools[threads]
