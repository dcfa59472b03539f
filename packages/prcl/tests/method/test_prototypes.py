"""Products of Gaussians, of a batch and of a training."""

from __future__ import annotations

import pytest
import torch

from vitrail_prcl.prototypes import GlobalPrototypes, Naturals, batch_naturals

CLASSES, WIDTH = 4, 6


def pixels(count: int = 200, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(count, WIDTH, generator=generator)
    variance = torch.rand(count, WIDTH, generator=generator) + 0.05
    labels = torch.randint(-1, CLASSES - 1, (count,), generator=generator)  # the last class never occurs
    return mean, variance, labels


def test_they_are_products_of_gaussians():
    mean, variance, labels = pixels()
    found = batch_naturals(mean, variance, labels, CLASSES).prototypes()
    assert found.known.tolist() == [True, True, True, False]
    for k in range(CLASSES - 1):
        m, v = mean[labels == k].double(), variance[labels == k].double()
        whole = 1 / (1 / v).sum(dim=0)
        torch.testing.assert_close(found.variance[k].double(), whole, rtol=1e-6, atol=0)
        torch.testing.assert_close(found.mean[k].double(), whole * (m / v).sum(dim=0), rtol=1e-5, atol=1e-6)
        assert (found.variance[k] <= v.min(dim=0).values).all()
        assert (found.mean[k] >= m.min(dim=0).values).all()
        assert (found.mean[k] <= m.max(dim=0).values).all()
    assert found.mean[3].tolist() == [0] * WIDTH
    assert found.variance[3].tolist() == [1] * WIDTH


def test_a_pixel_alone_is_its_prototype_and_equal_variances_give_the_mean():
    mean, variance, labels = pixels(1)
    one = batch_naturals(mean, variance, labels.fill_(2), CLASSES).prototypes()
    torch.testing.assert_close(one.mean[2], mean[0])
    torch.testing.assert_close(one.variance[2], variance[0])
    mean, variance, labels = pixels()
    even = batch_naturals(mean, torch.full_like(variance, 0.3), labels, CLASSES).prototypes()
    torch.testing.assert_close(even.mean[1], mean[labels == 1].mean(dim=0))


def test_an_uncertain_outlier_hardly_counts():
    mean, variance, labels = (
        torch.zeros(11, WIDTH),
        torch.full((11, WIDTH), 0.01),
        torch.zeros(11, dtype=torch.int64),
    )
    mean[10] = 100.0
    plain = mean.mean(dim=0)
    variance[10] = 1e4
    found = batch_naturals(mean, variance, labels, 1).prototypes()
    assert plain.min() > 9
    assert found.mean.abs().max() < 1e-3


def test_neither_the_order_of_batches_nor_their_cut_matters():
    parts = [pixels(seed=seed) for seed in range(8)]
    forward, backward, once = (GlobalPrototypes(CLASSES, WIDTH) for _ in range(3))
    for mean, variance, labels in parts:
        forward.add(batch_naturals(mean, variance, labels, CLASSES))
    for mean, variance, labels in reversed(parts):
        backward.add(batch_naturals(mean, variance, labels, CLASSES))
    once.add(batch_naturals(*(torch.cat(each) for each in zip(*parts)), CLASSES))
    for other in (backward, once):
        for mine, theirs in zip(forward.sums, other.sums):
            torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


def test_float64_still_learns_after_many_steps():
    """A step of 1e9 past ones is lost in float32."""
    memory = GlobalPrototypes(1, 1)
    memory.add(
        Naturals(*(torch.full((1, 1), value).double() for value in (1e9, 1e9)), torch.ones(1).double())
    )
    memory.add(
        Naturals(*(torch.full((1, 1), value).double() for value in (1.0, 5.0)), torch.ones(1).double())
    )
    assert memory.sums.precision.item() == 1e9 + 1
    assert memory.sums.weighted.item() == 1e9 + 5


@pytest.mark.parametrize("decay", [1.0, 0.9])
def test_the_past_counts_as_much_as_decay_says(decay):
    memory = GlobalPrototypes(CLASSES, WIDTH, decay=decay)
    wanted = 0
    for step in range(5):
        batch = batch_naturals(*pixels(seed=step), CLASSES)
        memory.add(batch)
        memory.forget()
        wanted = decay * (wanted + batch.precision)
    torch.testing.assert_close(memory.sums.precision, torch.as_tensor(wanted))


def test_the_prior_of_the_released_code_is_a_standard_gaussian_of_mean_one():
    memory = GlobalPrototypes(2, WIDTH, prior=1.0)
    found = memory.prototypes()
    assert found.mean.unique().tolist() == [1.0]
    assert found.variance.unique().tolist() == [1.0]
    assert not found.known.any()


def test_a_class_that_is_absent_stays_and_all_comes_back_from_a_checkpoint():
    memory = GlobalPrototypes(CLASSES, WIDTH)
    memory.add(batch_naturals(*pixels(), CLASSES))
    before = memory.prototypes()
    mean, variance, labels = pixels(seed=1)
    memory.add(batch_naturals(mean[labels == 0], variance[labels == 0], labels[labels == 0], CLASSES))
    assert torch.equal(memory.prototypes().mean[1:], before.mean[1:])
    assert not torch.equal(memory.prototypes().mean[0], before.mean[0])
    other = GlobalPrototypes(CLASSES, WIDTH)
    other.load_state_dict(memory.state_dict())
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(memory.sums, other.sums))
