"""Splits: seeded, nested, and with every class in them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.errors import UsageError
from vitrail_prcl.data.splitting import parse_amount, split_images, stratified_order


def skewed(count=400, classes=12, seed=0) -> np.ndarray:
    """Class k is in about 0.7 ** k of the images, and in one at least; a few images hold nothing."""
    rng = np.random.default_rng(seed)
    present = rng.random((count, classes)) < 0.7 ** np.arange(classes)
    present[rng.integers(count, size=classes), np.arange(classes)] = True
    present[-3:] = False
    return present


def test_a_split_takes_every_image_once():
    present = skewed()
    (split,) = split_images(present, [40], validation=50, seed=1)
    assert [len(part) for part in (split.labelled, split.unlabelled, split.validation)] == [40, 310, 50]
    assert sorted([*split.labelled, *split.unlabelled, *split.validation]) == list(range(400))


@pytest.mark.parametrize("seed", range(5))
def test_every_class_is_labelled_and_in_its_share(seed):
    present = skewed(seed=seed)
    few, many = split_images(present, [12, 100], seed=seed)
    assert present[list(few.labelled)].any(axis=0).all()
    share = present[list(many.labelled)].sum(axis=0) / present.sum(axis=0)
    assert share.min() >= 0.2
    assert abs(share[:6] - 0.25).max() < 0.1


def test_it_is_better_than_chance():
    """What random choices of 12 images miss."""
    present = skewed()
    chance = [present[np.random.default_rng(s).choice(400, 12, replace=False)].any(axis=0) for s in range(50)]
    assert np.mean([found.all() for found in chance]) < 0.5


def test_three_images_can_hold_six_classes():
    present = np.zeros((50, 6), bool)
    present[:40, 0] = present[40:47, 1] = True
    present[47, :2] = present[48, 2:4] = present[49, 4:] = True
    for seed in range(5):
        assert set(stratified_order(present, 3, rng=np.random.default_rng(seed))) == {47, 48, 49}


@given(st.integers(0, 1000), st.lists(st.integers(1, 50), min_size=2, max_size=4, unique=True))
@settings(max_examples=30, deadline=None)
def test_fewer_labels_are_among_more(seed, amounts):
    present = skewed(60, 5, seed)
    splits = split_images(present, sorted(amounts), validation=6, seed=seed)
    for less, more in pairwise(splits):
        assert more.labelled[: len(less.labelled)] == less.labelled
        assert set(more.unlabelled) < set(less.unlabelled)
        assert more.validation == less.validation
    (alone,) = split_images(present, [min(amounts)], validation=6, seed=seed)
    assert alone == splits[0]


def test_seeds():
    present = skewed()
    assert split_images(present, [20], seed=3) == split_images(present, [20], seed=3)
    assert split_images(present, [20], seed=3) != split_images(present, [20], seed=4)


def test_validation_never_takes_the_last_image_of_a_class():
    for seed in range(20):
        present = skewed(40, 10, seed)
        (split,) = split_images(present, [10], validation=15, seed=seed)
        rest = [*split.labelled, *split.unlabelled]
        assert present[rest].any(axis=0).all()
    only = np.eye(6, dtype=bool)  # where every image is the last of its class, some must be taken
    (split,) = split_images(only, [2], validation=3)
    assert len(split.validation) == 3


def test_images_without_a_label_come_last():
    present = skewed()
    order = stratified_order(present, 400, rng=np.random.default_rng(0))
    assert sorted(order) == list(range(400))
    assert set(order[-3:]) == {397, 398, 399}


@pytest.mark.parametrize(
    ("amount", "total", "expected"),
    [
        ("40", 100, 40), (40, 100, 40), ("5%", 100, 5), ("2.5%", 100, 3), ("0.05", 100, 5), (".1", 20, 2),
        (0.07, 100, 7), ("1.0", 9, 9), ("100%", 9, 9), ("1/16", 10582, 662), ("1/8", 10582, 1323),
        ("1/4", 10582, 2646), ("1/2", 10582, 5291), ("1/30", 2975, 100),
    ],
)  # fmt: skip
def test_amounts(amount, total, expected):
    assert parse_amount(amount, total, "labels") == expected


@pytest.mark.parametrize("amount", ["0", "-1", "101", "2/1", "1/0", "150%", "many", "", "0.0", "1e-1", "1.5"])
def test_amounts_that_cannot_be(amount):
    with pytest.raises(
        UsageError, match=r"labels is .*, and there are 100 images to choose from; wanted is a count"
    ):
        parse_amount(amount, 100, "labels")


def test_validation_must_leave_something():
    with pytest.raises(
        UsageError, match="validation takes 400 of 400 images; wanted is to leave some for training"
    ):
        split_images(skewed(), [1], validation="100%")
    with pytest.raises(UsageError, match="seed is -1; wanted is 0 or above"):
        split_images(skewed(), [1], seed=-1)
    with pytest.raises(UsageError, match="labels is 351, and there are 350 images to choose from"):
        split_images(skewed(), [351], validation=50)
