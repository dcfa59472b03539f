"""Threads around compiled loops."""

from __future__ import annotations

import os
import threading

import pytest
import torch

from vitrail_training.kernels import threads
from vitrail_training.kernels.threads import SMALL, each


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def names(count: int, work: int) -> list[str]:
    """The thread that each of `count` tasks ran in."""
    found = {}
    each(lambda index: found.__setitem__(index, threading.current_thread().name), range(count), work=work)
    return [found[index] for index in range(count)]


def test_large_tasks_run_in_threads_and_small_ones_here(two_threads):
    here = threading.current_thread().name
    assert all(name.startswith("vitrail-kernel") for name in names(20, SMALL))
    assert set(names(20, SMALL - 1)) == {here}
    assert names(1, SMALL) == [here]
    assert names(0, SMALL) == []


def test_what_a_task_raises_is_raised(two_threads):
    with pytest.raises(ZeroDivisionError):
        each(lambda index: 1 // index, range(4), work=SMALL)


def test_a_fork_starts_with_threads_of_its_own(two_threads):
    names(4, SMALL)
    assert threads._pools
    child = os.fork()
    if child == 0:
        os._exit(len(threads._pools))
    assert os.waitpid(child, 0)[1] == 0
    assert threads._pools
