"""Random numbers that follow from where a run is, and the precision of what lies beside the network."""

from __future__ import annotations

import pytest
import torch

from vitrail_training import draws
from vitrail_training.config import FitConfig
from vitrail_training.draws import StepDraws, generator_for
from vitrail_training.precision import autocast

CPU = torch.device("cpu")


def test_a_generator_follows_from_its_numbers_alone():
    first = [generator_for(CPU, 3, 0, draw).initial_seed() for draw in range(5)]
    assert first == [generator_for(CPU, 3, 0, draw).initial_seed() for draw in range(5)]
    assert len({*first, generator_for(CPU, 3, 1, 0).initial_seed()}) == 6


def test_step_part_process_seed_and_stream_each_count(monkeypatch):
    def drawn(stream, seed, *steps):
        each = StepDraws(stream)
        return [torch.rand(1, generator=each(seed, step)).item() for step in steps]

    first = drawn(1, 0, 0, 0, 1, 2)
    assert len(set(first)) == 4
    assert drawn(1, 0, 0, 0, 1, 2) == first
    assert drawn(1, 0, 1, 2) == first[2:], "a run that goes on at step 1"
    others = [drawn(1, 1, 0), drawn(2, 0, 0)]
    monkeypatch.setattr(draws, "rank", lambda: 1)
    others.append(drawn(1, 0, 0))
    assert not {value for row in others for value in row} & set(first)


@pytest.mark.parametrize(("precision", "wanted"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_are_in_the_precision_of_the_run(precision, wanted):
    with autocast(FitConfig(precision=precision), CPU):
        assert (torch.ones(1, 2) @ torch.ones(2, 1)).dtype == wanted
