"""The compiled CPU loops: threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from vitrail_prcl.kernels.mls_infonce import mls_infonce
from vitrail_prcl.kernels.mls_infonce.sample import random_inputs
from vitrail_prcl.kernels.prototypes import class_sums
from vitrail_prcl.kernels.prototypes import cpu as class_sums_cpu


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


INPUTS = random_inputs(67, 3, 5000, 33, 60, 7)
LABELS = torch.arange(5000) % 7 - 1


def of_loss():
    leaves = [x.detach().requires_grad_() for x in INPUTS[:2]]
    loss = mls_infonce(*leaves, *INPUTS[2:], scale=0.1, backend="cpu")
    return loss.detach(), *torch.autograd.grad(loss.sum(), leaves)


def of_sums():
    return class_sums(INPUTS.key_mean, INPUTS.key_variance, LABELS, 6, backend="cpu")


@pytest.mark.parametrize("call", [of_loss, of_sums])
def test_every_number_of_threads_gives_the_same(threads, call, monkeypatch):
    monkeypatch.setattr(class_sums_cpu, "FEWEST", 600)  # several parts
    threads(1)
    wanted = call()
    for count in (2, 3, 40):
        threads(count)
        assert all(torch.equal(one, other) for one, other in zip(call(), wanted))


def test_several_callers_at_once(threads):
    threads(2)
    wanted = of_loss()
    with ThreadPoolExecutor(4) as callers:
        for found in callers.map(lambda _: of_loss(), range(8)):
            assert all(torch.equal(one, other) for one, other in zip(found, wanted))
