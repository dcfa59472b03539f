"""The contrastive loss: beside a loop over classes written with the score itself, and where it must be nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from vitrail_prcl.contrast import Contrast, Pixels
from vitrail_prcl.prototypes import batch_naturals
from vitrail_prcl.sampling import draw_negatives, draw_pixels, sort_by_class
from vitrail_prcl.score import mutual_likelihood_score
from vitrail_prcl.train_config import ContrastConfig
from vitrail_prcl.virtual import virtual_negatives

CLASSES, WIDTH = 5, 8
CONFIG = ContrastConfig(anchors=6, negatives=10, temperature=0.2)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(count: int = 300, seed: int = 0, classes=(0, 1, 3)) -> Pixels:
    generator = rng(seed)
    mean = torch.randn(count, WIDTH, generator=generator).requires_grad_()
    variance = torch.rand(count, WIDTH, generator=generator).mul(0.9).add(0.05).requires_grad_()
    labels = torch.tensor([-1, *classes])[torch.randint(1 + len(classes), (count,), generator=generator)]
    return Pixels(mean, variance, labels, torch.rand(count, generator=generator))


def by_hand(given: Pixels, config: ContrastConfig, generator: torch.Generator) -> torch.Tensor:
    """The same draws, and for every class its logits as a matrix."""
    labels, variance = given.labels, given.variance.clamp_min(config.floor)
    length = config.length or math.sqrt(WIDTH)
    weights = torch.ones_like(variance) if config.weighting == "plain" else variance.detach()
    prototypes = batch_naturals(given.mean.detach(), weights.detach(), labels, CLASSES).prototypes()
    counted = sort_by_class(labels, CLASSES)
    hard = sort_by_class(labels.masked_fill(given.probability >= config.hard, -1), CLASSES)
    groups = (hard.count > 0).nonzero()[:, 0]
    anchors = draw_pixels(hard, groups[:, None].expand(-1, config.anchors), generator)
    alike = mutual_likelihood_score(
        prototypes.mean[:, None], prototypes.variance[:, None], prototypes.mean, prototypes.variance,
        reduction=config.reduction, length=length,
    ) / config.temperature  # fmt: skip
    negatives = draw_negatives(counted, alike, counted.count > 0, config.anchors, config.negatives, generator)
    virtual = (
        virtual_negatives(
            prototypes, config.virtual, radius=config.radius, spread=config.spread, generator=generator
        )
        if config.virtual
        else torch.empty(CLASSES, 0, WIDTH)
    )
    total = torch.zeros(())
    for row, group in enumerate(groups.tolist()):
        chosen = anchors[row]
        assert (labels[chosen] == group).all()
        keys = torch.cat(
            (
                prototypes.mean[group].expand(config.anchors, 1, -1),
                given.mean.detach()[negatives[group]],
                virtual[group].expand(config.anchors, -1, -1),
            ),
            dim=1,
        )
        spreads = torch.cat(
            (
                prototypes.variance[group].expand(config.anchors, 1, -1),
                variance.detach()[negatives[group]],
                torch.zeros(config.anchors, virtual.shape[1], WIDTH),
            ),
            dim=1,
        )
        score = mutual_likelihood_score(
            given.mean[chosen][:, None],
            variance[chosen][:, None],
            keys,
            spreads,
            reduction=config.reduction,
            length=length,
        )
        target = torch.zeros(config.anchors, dtype=torch.int64)
        total = total + F.cross_entropy(score / config.temperature, target)
    return total / (counted.count > 0).sum()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"virtual": 0},
        {"negatives": 0},
        {"reduction": "sum", "temperature": 2.0},
        {"weighting": "plain"},
        {"prototypes": "batch"},
        {"floor": 0.3},
        {"length": 1.0, "temperature": 0.1},
        {"spread": "deviation", "radius": 0.5},
    ],
    ids=lambda changes: ", ".join(f"{k}={v}" for k, v in changes.items()) or "usual",
)
def test_it_is_a_cross_entropy_for_each_class(changes):
    config = replace(CONFIG, **changes)
    one, two = pixels(), pixels()
    found = Contrast(config, CLASSES, WIDTH)(one, rng(1)).loss
    wanted = by_hand(two, config, rng(1))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    found.backward()
    wanted.backward()
    torch.testing.assert_close(one.mean.grad, two.mean.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(one.variance.grad, two.variance.grad, rtol=1e-4, atol=1e-6)


def test_only_hard_pixels_get_gradients():
    given = pixels()
    Contrast(CONFIG, CLASSES, WIDTH)(given, rng()).loss.backward()
    moved = given.mean.grad.abs().sum(dim=1) > 0
    assert moved.any()
    assert (given.probability[moved] < CONFIG.hard).all()
    assert (given.labels[moved] >= 0).all()


def test_global_prototypes_remember_the_steps_before():
    config = replace(CONFIG, decay=1.0)
    both, second = Contrast(config, CLASSES, WIDTH), Contrast(config, CLASSES, WIDTH)
    both(pixels(seed=1), rng())
    assert both(pixels(), rng(1)).loss != second(pixels(), rng(1)).loss
    joined = batch_naturals(*(torch.cat([a, b]) for a, b in zip(pixels(seed=1)[:3], pixels()[:3])), CLASSES)
    torch.testing.assert_close(both.memory.sums.precision, joined.precision.detach(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", ["one class", "no label", "nothing hard"])
def test_without_anything_to_compare_it_is_nothing_that_has_a_gradient(case):
    given = pixels(classes=(2,) if case == "one class" else (0, 1))
    if case == "no label":
        given = given._replace(labels=torch.full_like(given.labels, -1))
    if case == "nothing hard":
        given = given._replace(probability=torch.ones_like(given.probability))
    found = Contrast(CONFIG, CLASSES, WIDTH)(given, rng())
    assert found.loss.item() == 0
    found.loss.backward()
    assert given.mean.grad.abs().max() == 0
    assert given.variance.grad.abs().max() == 0
    assert 0 <= found.hard <= 1


def test_two_classes_are_enough():
    found = Contrast(CONFIG, 2, WIDTH)(pixels(classes=(0, 1)), rng())
    assert found.loss > 0
    assert found.loss.isfinite()


def test_what_is_told_apart_costs_little_and_what_is_not_costs_the_logarithm():
    config = replace(CONFIG, temperature=0.01, virtual=0, prototypes="batch")
    labels = torch.arange(300) % CLASSES
    variance = torch.full((300, WIDTH), 0.5)
    apart = Pixels(F.one_hot(labels, WIDTH).float(), variance, labels, torch.zeros(300))
    assert Contrast(config, CLASSES, WIDTH)(apart, rng()).loss < 0.05
    # as vague as a prototype of 60 pixels, all of them in one place
    same = apart._replace(mean=torch.ones(300, WIDTH), variance=variance)
    batch = batch_naturals(same.mean, same.variance, labels, CLASSES).prototypes()
    score = mutual_likelihood_score(
        same.mean[:1], variance[:1], torch.stack((batch.mean[0], same.mean[1])),
        torch.stack((batch.variance[0], variance[1])),
    )  # fmt: skip
    logits = torch.cat((score[:1], score[1:].expand(config.negatives))) / config.temperature
    wanted = logits.logsumexp(0) - logits[0]
    torch.testing.assert_close(
        Contrast(config, CLASSES, WIDTH)(same, rng()).loss, wanted, rtol=1e-4, atol=1e-5
    )


def test_at_the_released_temperature_it_stays_at_the_logarithm_of_the_keys():
    """Why `released` learns nothing by this loss: ln(1 + N + V) whatever the pixels are."""
    config = replace(CONFIG, temperature=100.0, length=1.0)
    keys = 1 + config.negatives + config.virtual * (CLASSES - 1)
    for given in (pixels(), Pixels(F.one_hot(pixels().labels.clamp_min(0), WIDTH).float(), *pixels()[1:])):
        loss = Contrast(config, CLASSES, WIDTH)(given, rng()).loss.item()
        assert loss == pytest.approx(torch.tensor(float(keys)).log().item(), abs=0.02)
