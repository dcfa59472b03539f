from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitrail.errors import InputError, UsageError
from vitrail_training import FitConfig
from vitrail_training.data import Order, batches, refuse_unreadable, stack

CONFIG = FitConfig(steps=9, batch_size=6)


def test_every_epoch_is_another_permutation():
    order = Order(10, seed=3)
    epochs = [[order(10 * epoch + place) for place in range(10)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert Order(10, seed=3)(25) == epochs[2][5]  # from anywhere
    assert [Order(10, seed=4)(place) for place in range(10)] != epochs[0]
    with pytest.raises(UsageError, match="empty"):
        Order(0, seed=3)


def test_batches_are_the_same_with_workers_and_from_the_middle(toy):
    whole = list(batches(toy.Rings(), CONFIG, start=0, rank=0, world=1))
    busy = list(batches(toy.Rings(), replace(CONFIG, workers=2), start=0, rank=0, world=1))
    late = list(batches(toy.Rings(), CONFIG, start=4, rank=0, world=1))
    assert len(whole) == 9
    for one, other in [*zip(whole, busy, strict=True), *zip(whole[4:], late, strict=True)]:
        assert one.indices == other.indices == one.batch["index"].tolist()
        assert torch.equal(one.batch["x"], other.batch["x"])


def test_processes_and_parts_share_a_batch(toy):
    whole = next(batches(toy.Rings(), CONFIG, start=2, rank=0, world=1))
    split = replace(CONFIG, accumulate=3)
    parts = [list(batches(toy.Rings(), split, start=2, rank=rank, world=2)) for rank in (0, 1)]
    together = torch.cat([parts[rank][part].batch["x"] for part in range(3) for rank in (0, 1)])
    assert torch.equal(together, whole.batch["x"])


def test_a_visit_moves_a_sample_each_time(toy):
    config = replace(CONFIG, steps=3, batch_size=5)
    visits = [
        x for each in batches(toy.Rings(count=5), config, start=0, rank=0, world=1) for x in each.batch["x"]
    ]
    assert len({tuple(x.tolist()) for x in visits}) == 15


def test_an_unreadable_sample_is_replaced_the_same_way_each_time(toy):
    dataset = toy.Rings(bad=range(0, 61, 2))
    first, again = (
        list(batches(dataset, replace(CONFIG, workers=w), start=0, rank=0, world=1)) for w in (0, 1)
    )
    for one, other in zip(first, again, strict=True):
        assert one.skipped == other.skipped
        assert torch.equal(one.batch["x"], other.batch["x"])
        assert len(one.indices) == 6
        assert all(index % 2 for index in one.indices)
    skipped = [each for one in first for each in one.skipped]
    assert skipped[0].reason == f"points/{skipped[0].index}.txt is cut off."


@pytest.mark.parametrize("workers", [0, 1])
def test_strict_and_hopeless_data_stop(toy, workers):
    strict = replace(CONFIG, strict=True, workers=workers)
    loaded = next(batches(toy.Rings(bad=range(61)), strict, start=0, rank=0, world=1))
    with pytest.raises(
        InputError, match=r"Sample \d+ cannot be read, and strict is set: points/\d+.txt is cut off."
    ):
        refuse_unreadable(loaded, strict)
    loaded = next(batches(toy.Rings(bad=range(61)), CONFIG, start=0, rank=0, world=1))
    with pytest.raises(InputError, match="20 samples in a row cannot be read"):
        refuse_unreadable(loaded, CONFIG)


def test_stack():
    flipped = np.arange(6, dtype=np.uint8).reshape(2, 3)[:, ::-1]
    batch = stack([{"a": flipped, "b": 1, "c": "x", "d": torch.zeros(2)} for _ in range(2)])
    assert batch["a"].tolist() == [[[2, 1, 0], [5, 4, 3]]] * 2
    assert batch["a"].dtype == torch.uint8
    assert (batch["b"].tolist(), batch["c"], batch["d"].shape) == ([1, 1], ["x", "x"], (2, 2))
    with pytest.raises(UsageError, match=r"'a' has shapes \(2,\) and \(3,\) within one batch"):
        stack([{"a": np.zeros(2)}, {"a": np.zeros(3)}])


@pytest.mark.parametrize("workers", [0, 1])
def test_what_stops_the_reading_comes_as_itself_from_a_worker_too(toy, workers):
    class Mislabelled(toy.Rings):
        def sample(self, index, rng):
            if index % 3 == 0:
                raise UsageError(f"record {index} has the label 9; there are 5 classes.")
            return super().sample(index, rng)

    config = replace(CONFIG, workers=workers)
    loaded = next(batches(Mislabelled(), config, start=0, rank=0, world=1))
    with pytest.raises(UsageError, match=r"^record \d+ has the label 9; there are 5 classes\.$"):
        refuse_unreadable(loaded, config)


@pytest.mark.parametrize("workers", [0, 1])
def test_samples_that_make_no_batch_are_said_in_a_sentence(toy, workers):
    class Uneven(toy.Rings):
        def sample(self, index, rng):
            return {"x": np.zeros(1 + index % 2)}

    config = replace(CONFIG, workers=workers)
    loaded = next(batches(Uneven(), config, start=0, rank=0, world=1))
    with pytest.raises(UsageError, match="within one batch"):
        refuse_unreadable(loaded, config)
