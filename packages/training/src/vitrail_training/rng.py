"""Random numbers: where they start, and how a checkpoint keeps them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_all(*numbers: int) -> None:
    """Start python's, numpy's and torch's generators (on every device) from these numbers."""
    python, legacy, network = np.random.SeedSequence(numbers).generate_state(3)
    random.seed(int(python))
    np.random.seed(int(legacy))  # noqa: NPY002 - code of others may draw from it
    torch.manual_seed(int(network))


def random_state() -> dict[str, Any]:
    """The state of python's, numpy's and torch's generators, as plain data and tensors."""
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whatever draws random numbers inside the block leaves no trace."""
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """torch's deterministic algorithms, for the block. Same machine, same number of threads: same bits.

    An operation that has no deterministic form warns on a CPU (none that is common does).
    """
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    memory, cudnn = torch.utils.deterministic, torch.backends.cudnn
    before = torch.get_deterministic_debug_mode(), memory.fill_uninitialized_memory, cudnn.benchmark
    torch.set_deterministic_debug_mode("warn")
    memory.fill_uninitialized_memory = False  # costs time, and nothing here reads such memory
    cudnn.benchmark = False
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before[0])
        memory.fill_uninitialized_memory, cudnn.benchmark = before[1:]
