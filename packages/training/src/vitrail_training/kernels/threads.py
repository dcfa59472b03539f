"""Threads for compiled loops on the CPU, as many as torch has.

They are plain Python threads around loops that release the GIL, not numba's own: no second thread pool that spins
beside torch's, and safe to call from several threads and after a fork.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")

SMALL = 1 << 15
"""Innermost steps in one task below which a thread costs more than it brings."""

_pools: dict[int, ThreadPoolExecutor] = {}
_pools_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # threads do not survive a fork


def each(task: Callable[[T], object], items: Sequence[T], *, work: int) -> None:
    """Call `task` with each of `items`, in threads where there are several and each has enough to do.

    work: innermost steps in one task, roughly. What a task raises is raised here.
    """
    threads = torch.get_num_threads()
    if min(threads, len(items)) <= 1 or work < SMALL:
        for item in items:
            task(item)
    else:
        list(_pool(threads).map(task, items))


def _pool(threads: int) -> ThreadPoolExecutor:
    with _pools_lock:
        if threads not in _pools:
            _pools[threads] = ThreadPoolExecutor(threads, thread_name_prefix="vitrail-kernel")
        return _pools[threads]
