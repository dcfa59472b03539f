"""Draws of pixels and classes: where they may fall, how often, and that they repeat."""

from __future__ import annotations

import pytest
import torch

from vitrail_prcl.sampling import draw_classes, draw_negatives, draw_pixels, sort_by_class

LABELS = torch.tensor([2, 0, -1, 2, 2, 0, 4, -1, 2])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pixels_are_sorted_by_class_and_those_without_come_last():
    found = sort_by_class(LABELS, 5)
    assert found.count.tolist() == [2, 0, 4, 0, 1]
    assert found.start.tolist() == [0, 2, 2, 6, 6]
    assert found.order.tolist() == [1, 5, 0, 3, 4, 8, 6, 2, 7]


def test_pixels_are_of_their_class_and_all_as_likely():
    pixels = sort_by_class(LABELS, 5)
    wanted = torch.tensor([0, 2, 4])[:, None].expand(3, 40_000)
    found = draw_pixels(pixels, wanted, rng())
    assert torch.equal(LABELS[found], wanted)
    for row, members in zip(found, ([1, 5], [0, 3, 4, 8], [6])):
        counts = torch.bincount(row, minlength=len(LABELS))[members]
        expected = 40_000 / len(members)
        assert (counts - expected).abs().max() < 5 * expected**0.5


def test_a_class_without_pixels_gives_an_index_that_exists():
    pixels = sort_by_class(LABELS, 5)
    found = draw_pixels(pixels, torch.tensor([1, 3]), rng())
    assert ((found >= 0) & (found < len(LABELS))).all()
    empty = sort_by_class(torch.full((4,), -1), 5)
    assert (draw_pixels(empty, torch.arange(5), rng()) >= 0).all()


def test_classes_are_drawn_by_softmax():
    logits = torch.tensor([[0.0, 1.0, -torch.inf, 2.0], [-torch.inf, 0.0, 0.0, -torch.inf]])
    found = draw_classes(logits, (60_000,), rng())
    for row, chances in zip(found, logits.softmax(dim=1)):
        counts = torch.bincount(row, minlength=4)
        expected = 60_000 * chances
        assert (counts[chances == 0] == 0).all()
        there = chances > 0
        chi = ((counts - expected) ** 2 / expected)[there].sum()
        assert chi < 16.3, "of 2 degrees of freedom, passed by 3 in 10,000 draws"


def test_a_row_of_nothing_gives_some_class():
    assert draw_classes(torch.full((1, 3), -torch.inf), (5,), rng()).max() <= 2


def test_negatives_are_of_other_classes_that_are_there():
    pixels = sort_by_class(LABELS, 5)
    present = pixels.count > 0
    alike = torch.zeros(5, 5)
    alike[0, 2] = 3.0
    found = draw_negatives(pixels, alike, present, 8, 500, rng())
    assert found.shape == (5, 8, 500)
    for own in (0, 2, 4):
        classes = LABELS[found[own]]
        assert own not in classes
        assert set(classes.unique().tolist()) == {0, 2, 4} - {own}
    share = (LABELS[found[0]] == 2).float().mean()
    assert share == pytest.approx(torch.tensor([3.0, 0.0]).softmax(0)[0].item(), abs=0.02)


def test_draws_repeat():
    pixels = sort_by_class(LABELS, 5)
    one, two, other = (
        draw_negatives(pixels, torch.zeros(5, 5), pixels.count > 0, 3, 4, rng(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
