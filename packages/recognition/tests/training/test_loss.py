"""MarginSoftmax in one process, and as simulated shards, against F.cross_entropy on the full matrix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from plain_margin_softmax import plain_logits, plain_losses

from vitrail.errors import UsageError
from vitrail_recognition.kernels.class_softmax import class_softmax, merge
from vitrail_recognition.kernels.class_softmax.sample import random_inputs
from vitrail_recognition.loss import MarginSoftmax
from vitrail_recognition.margins import ArcFace, CosFace
from vitrail_recognition.sharded import localise, shard

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "recognition_golden.json").read_text())
MARGINS = [
    ArcFace(),
    ArcFace(gradient="straight_through"),
    CosFace(),
    ArcFace(margin=0.0),
    CosFace(margin=0.0, scale=16.0),
]


def samples(batch=9, width=8, classes=31, dtype=torch.float64):
    embeddings, centres, labels = random_inputs(batch, width, classes)
    return 3 * embeddings.to(dtype), centres.to(dtype), labels


def head_with(centres, margin=None, **options):
    head = MarginSoftmax(*centres.shape, margin=margin, **options)
    head.classifier.weight = torch.nn.Parameter(centres.clone())
    return head


@pytest.mark.parametrize("margin", MARGINS, ids=str)
@pytest.mark.parametrize("weighted", [False, True], ids=["mean", "weighted"])
def test_equals_cross_entropy_on_the_full_matrix(margin, weighted):
    embeddings, centres, labels = samples()
    weights = torch.rand(9, dtype=torch.float64) + 1 if weighted else None
    head, mine = head_with(centres, margin), embeddings.clone().requires_grad_()
    loss = head(mine, labels, weights)
    loss.backward()
    leaves = [embeddings.clone().requires_grad_(), centres.clone().requires_grad_()]
    losses = plain_losses(*leaves, labels, margin)
    wanted = (losses if weights is None else losses * weights).mean()
    wanted.backward()
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(mine.grad, leaves[0].grad)
    torch.testing.assert_close(head.classifier.weight.grad, leaves[1].grad)


def test_without_a_margin_it_is_the_plain_softmax():
    embeddings, centres, labels = samples()
    logits = 64 * F.normalize(embeddings) @ F.normalize(centres).T
    loss = head_with(centres, ArcFace(margin=0.0))(embeddings, labels)
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels), rtol=1e-6, atol=1e-8)


def test_recorded_loss_and_gradients_with_sample_weights():
    """Weights 1 + exp(-mean spread) on the samples' losses; both gradient forms; the values are recorded."""
    golden = GOLDEN["pfc_ehsm"]
    torch.manual_seed(0)
    centres = torch.normal(0, 0.01, (100, 512))
    assert centres.sum().item() == pytest.approx(golden["W_sum"], abs=1e-4)
    torch.manual_seed(1)
    embeddings = torch.randn(8, 512)
    labels, spreads = torch.randint(0, 100, (8,)), torch.rand(8, 144)
    assert labels.tolist() == golden["labels"]
    weights = 1 + (-spreads.mean(dim=1)).exp()
    assert weights.tolist() == pytest.approx(golden["weights"], abs=1e-6)
    norms = {}
    for form in ("straight_through", "true"):
        head, mine = head_with(centres, ArcFace(gradient=form)), embeddings.clone().requires_grad_()
        loss = head(mine, labels, weights)
        loss.backward()
        assert loss.item() == pytest.approx(golden["loss"], abs=1e-4)
        norms[form] = mine.grad.norm().item(), head.classifier.weight.grad.norm().item()
    assert norms["straight_through"][0] == pytest.approx(golden["grad_e_norm"], rel=1e-4)
    assert norms["straight_through"][1] == pytest.approx(golden["grad_W_norm"], rel=1e-4)
    assert norms["true"][0] == pytest.approx(golden["true_gradient_grad_e_norm"], rel=1e-4)


@pytest.mark.parametrize("margin", [ArcFace(scale=16.0), CosFace()], ids=str)
def test_scores(margin):
    embeddings, centres, labels = samples()
    scores = head_with(centres, margin).scores(embeddings, labels, want_entropy=True)
    shares = plain_logits(embeddings, centres, labels, margin).softmax(dim=1)
    torch.testing.assert_close(scores.probability, shares[torch.arange(9), labels])
    torch.testing.assert_close(scores.entropy, -torch.special.xlogy(shares, shares).sum(dim=1))
    torch.testing.assert_close(
        scores.cosine, F.cosine_similarity(embeddings, centres[labels]), rtol=1e-6, atol=1e-8
    )
    assert not scores.entropy.requires_grad


def test_a_label_out_of_range_gives_nan_and_names_its_sample():
    embeddings, centres, labels = samples(dtype=torch.float32)
    labels[2], labels[5] = 31, -1
    loss = head_with(centres).scores(embeddings, labels).loss
    assert loss.isnan().nonzero()[:, 0].tolist() == [2, 5]


def test_short_embeddings_are_widened():
    embeddings, centres, labels = samples(dtype=torch.float32)
    head = head_with(centres)
    assert head(embeddings.bfloat16(), labels).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = head(embeddings, labels)
    torch.testing.assert_close(inside, head(embeddings, labels))


def test_one_class_alone_has_no_loss():
    loss = MarginSoftmax(1, 4)(torch.randn(3, 4, requires_grad=True), torch.zeros(3, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0


def test_embeddings_of_another_width_are_refused():
    with pytest.raises(UsageError, match=r"\(3, 5\).*\(B, 4\)"):
        MarginSoftmax(7, 4)(torch.randn(3, 5), torch.zeros(3, dtype=torch.long))


def test_shards_cover_all_classes():
    for classes in (1, 5, 8, 31):
        for processes in (1, 2, 4, 7):
            shards = [shard(classes, number, processes) for number in range(processes)]
            assert [i for rows in shards for i in range(rows.start, rows.stop)] == list(range(classes))
            sizes = [rows.stop - rows.start for rows in shards]
            assert sizes == [
                classes // processes + (number < classes % processes) for number in range(processes)
            ]


@pytest.mark.parametrize("processes", [1, 2, 3, 5, 40], ids=lambda n: f"{n}-shards")
@pytest.mark.parametrize("threshold", [None, 0.2], ids=["all", "filtered"])
def test_simulated_shards_equal_the_full_matrix(processes, threshold):
    """More shards than classes among them: some hold none."""
    embeddings, centres, labels = samples()
    unit, margin = F.normalize(embeddings), ArcFace()
    leaves = [unit.clone().requires_grad_(), centres.clone().requires_grad_()]
    parts = []
    for number in range(processes):
        rows = shard(31, number, processes)
        own = localise(labels, rows)
        parts.append(class_softmax(leaves[0], leaves[1][rows], own, threshold=threshold, want_mean=True))
    # merge() is without gradient where processes use it; over simulated shards autograd can do it
    rest = torch.logsumexp(torch.stack([part.rest for part in parts]), dim=0)
    target = torch.stack([part.target for part in parts]).sum(dim=0)
    loss = -F.logsigmoid(margin(target) - rest).mean()
    loss.backward()

    exact = [unit.clone().requires_grad_(), centres.clone().requires_grad_()]
    cosines = exact[0] @ F.normalize(exact[1]).T
    own = F.one_hot(labels, 31).bool()
    kept = 64 * cosines if threshold is None else (64 * cosines).masked_fill((cosines > threshold) & ~own, 0)
    if threshold is not None:
        assert ((cosines > threshold) & ~own).any()
    logits = torch.where(own, margin(cosines), kept)
    wanted = F.cross_entropy(logits, labels)
    wanted.backward()
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(leaves[0].grad, exact[0].grad)
    torch.testing.assert_close(leaves[1].grad, exact[1].grad)

    merged, mean = merge(*(torch.stack([part[i] for part in parts], dim=1) for i in (0, 2)))
    torch.testing.assert_close(merged, rest.detach())
    others = logits.detach().masked_fill(own, -torch.inf)
    torch.testing.assert_close(mean, (others.softmax(dim=1) * kept.detach()).sum(dim=1))
