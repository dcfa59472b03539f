"""Partial FC: what is chosen, what a step changes, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from plain_margin_softmax import plain_losses

from vitrail.errors import UsageError
from vitrail_recognition.centre_optimizer import CentreOptimizer
from vitrail_recognition.kernels.class_softmax.sample import random_inputs
from vitrail_recognition.loss import MarginSoftmax
from vitrail_recognition.sampling import sample_rows
from vitrail_training.draws import generator_for

CPU = torch.device("cpu")
MAKERS = {
    "adamw": lambda weights: torch.optim.AdamW(weights, lr=0.01, weight_decay=0.1),
    "sgd": lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9, weight_decay=5e-4),
}


def head_and_optimizer(kind, classes=60, **options):
    head = MarginSoftmax(classes, 8, **options)
    return head, CentreOptimizer(head.classifier, MAKERS[kind]([head.classifier.weight]))


def batch(step, classes=60, size=6):
    embeddings, _, _ = random_inputs(size, 8, classes, seed=step)
    labels = torch.randint(classes, (size,), generator=generator_for(CPU, 1, step))
    return embeddings, labels


def test_the_labels_are_always_among_the_chosen():
    labels = torch.tensor([7, 99, -1, 0, 7])
    counts = torch.zeros(100)
    for draw in range(200):
        chosen, moved = sample_rows(labels, 100, 20, generator_for(CPU, draw))
        assert len(chosen) == 20
        assert (chosen.diff() > 0).all()
        assert moved.tolist()[2] == -1
        assert chosen[moved[[0, 1, 3, 4]]].tolist() == [7, 99, 0, 7]
        counts[chosen] += 1
    others = counts[[i for i in range(100) if i not in (0, 7, 99)]]
    expected = 200 * 17 / 97
    assert (others - expected).abs().max() < 5 * expected**0.5  # all others alike


@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
@pytest.mark.parametrize("kind", MAKERS)
def test_a_rate_of_one_is_no_sampling(kind, sparse):
    """Three steps end at the same centres as with torch's optimizer and cross entropy, without our code."""
    head, optimizer = head_and_optimizer(kind, sample_rate=1.0, sparse_update=sparse)
    head.double()
    weight = torch.nn.Parameter(head.classifier.weight.detach().clone())
    plain = MAKERS[kind]([weight])
    for step in range(3):
        embeddings, labels = batch(step)
        embeddings = embeddings.double()
        head(embeddings, labels).backward()
        optimizer.step()
        plain.zero_grad()
        plain_losses(embeddings, weight, labels, head.margin).mean().backward()
        plain.step()
        torch.testing.assert_close(head.classifier.weight, weight)
    assert head.classifier.weight.grad is None


@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
def test_the_loss_of_a_sample_is_that_over_the_chosen_classes(sparse):
    head = MarginSoftmax(60, 8, sample_rate=0.3, sparse_update=sparse, seed=4)
    embeddings, labels = batch(0)
    chosen, moved = sample_rows(labels, 60, 18, generator_for(CPU, 4, 0, 0))
    loss = head(embeddings, labels)
    wanted = plain_losses(embeddings, head.classifier.weight[chosen], moved, head.margin).mean()
    torch.testing.assert_close(loss, wanted)
    head.eval()
    full = plain_losses(embeddings, head.classifier.weight, labels, head.margin).mean()
    torch.testing.assert_close(head(embeddings, labels), full)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_sparse_update_leaves_other_rows_alone(kind):
    """Values and moments; and what it does to the chosen rows is what torch's optimizer does to them."""
    head, optimizer = head_and_optimizer(kind, sample_rate=0.2, sparse_update=True)
    weight = head.classifier.weight
    for step in range(6):
        embeddings, labels = batch(step)
        head(embeddings, labels).backward()
        index, gradient = head.classifier.sampled_gradient()
        before = weight.detach().clone()
        state = {
            name: value.clone() if isinstance(value, torch.Tensor) else value
            for name, value in optimizer.state.items()
        }
        optimizer.step()
        others = torch.ones(60, dtype=torch.bool).index_fill(0, index, False)
        assert set(labels.tolist()) <= set(index.tolist())
        assert torch.equal(weight[others], before[others])
        assert not (weight[index] == before[index]).all(dim=1).any()
        for name, value in state.items():
            if optimizer.has_rows(value):
                assert torch.equal(optimizer.state[name][others], value[others])
                assert not torch.equal(optimizer.state[name][index], value[index])
        alone = torch.nn.Parameter(before[index])
        alone.grad = gradient
        expected = MAKERS[kind]([alone])
        expected.state[alone] = {
            name: value[index] if optimizer.has_rows(value) else value for name, value in state.items()
        }
        expected.step()
        torch.testing.assert_close(weight[index], alone.detach(), rtol=0, atol=0)
    assert optimizer.optimizer.param_groups[0]["params"] == [weight]
    assert list(optimizer.optimizer.state) == [weight]


@pytest.mark.parametrize("kind", MAKERS)
def test_a_dense_update_moves_other_rows_too(kind):
    head, optimizer = head_and_optimizer(kind, sample_rate=0.2, sparse_update=False)
    for step in range(2):
        head(*batch(step)).backward()
        before = head.classifier.weight.detach().clone()
        optimizer.step()
    moved = (head.classifier.weight != before).any(dim=1)
    assert moved.all()  # by weight decay, momentum or both


def test_small_rates_keep_room_for_the_batch():
    head = MarginSoftmax(60, 8, sample_rate=0.01)
    embeddings, labels = batch(0, size=10)
    head(embeddings, labels).backward()
    index, _ = head.classifier.sampled_gradient()
    assert len(index) == 10


def test_gradients_of_several_parts_of_a_step_add_up():
    """Each part samples anew; the step is on all of their rows, with the sum where they overlap."""
    head, _ = head_and_optimizer("sgd", sample_rate=0.3)
    wanted = torch.zeros(60, 8)
    for part in range(3):
        head(*batch(part)).backward()
        index, rows = head.classifier.taken[-1]
        wanted[index] += rows.grad
    rows, gradient = head.classifier.sampled_gradient()
    assert sorted(rows.tolist()) == rows.tolist()
    torch.testing.assert_close(torch.zeros(60, 8).index_copy(0, rows, gradient), wanted)


def test_a_pass_without_gradient_leaves_nothing_behind():
    head, _ = head_and_optimizer("sgd", sample_rate=0.3)
    with torch.no_grad():
        head(*batch(0))
    assert head.classifier.taken == []
    assert head.classifier.sampled_gradient() is None


def test_centres_begin_alike_for_any_sharing_out(monkeypatch):
    from vitrail_recognition import sharded

    monkeypatch.setattr(sharded, "INIT_BLOCK", 8)
    whole = sharded.initial_centres(slice(0, 31), 4, seed=1)
    parts = [sharded.initial_centres(sharded.shard(31, n, 5), 4, seed=1) for n in range(5)]
    assert torch.equal(torch.cat(parts), whole)
    assert whole.std().item() == pytest.approx(0.01, rel=0.2)
    assert not torch.equal(whole, sharded.initial_centres(slice(0, 31), 4, seed=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_rate": 0.0}, "sample_rate is 0.0"),
        ({"sample_rate": 1.5}, "sample_rate is 1.5"),
        ({"threshold": 2.0}, "threshold is 2.0"),
        ({"width": 0}, "width 0"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        MarginSoftmax(5, **{"width": 4, **options})


def test_the_optimizer_must_be_made_for_the_centres_alone():
    head = MarginSoftmax(5, 4)
    other = torch.nn.Parameter(torch.zeros(2))
    with pytest.raises(UsageError, match="alone"):
        CentreOptimizer(head.classifier, torch.optim.SGD([head.classifier.weight, other], lr=0.1))
