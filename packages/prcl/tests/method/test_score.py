"""The mutual likelihood score: what it must equal, and what must not change it (PRCL; Shi and Jain 2019)."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from vitrail_prcl.score import mutual_likelihood_score, score_scale


def gaussians(count: int = 7, width: int = 12, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(count, width, generator=generator, dtype=torch.float64)
    variance = torch.rand(count, width, generator=generator, dtype=torch.float64) + 0.01
    return mean, variance


def test_it_is_the_log_likelihood_of_the_difference():
    (a, s), (b, t) = gaussians(), gaussians(seed=1)
    unit_a, unit_b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    wanted = torch.distributions.Normal(unit_b, (s + t).sqrt()).log_prob(unit_a) + 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(mutual_likelihood_score(a, s, b, t, reduction="sum"), wanted.sum(dim=1))
    torch.testing.assert_close(mutual_likelihood_score(a, s, b, t), wanted.mean(dim=1))


def test_it_is_symmetric_and_does_not_see_lengths():
    (a, s), (b, t) = gaussians(), gaussians(seed=1)
    wanted = mutual_likelihood_score(a, s, b, t)
    torch.testing.assert_close(mutual_likelihood_score(b, t, a, s), wanted)
    torch.testing.assert_close(mutual_likelihood_score(5 * a, s, 0.1 * b, t), wanted)


def test_means_may_have_another_length():
    (a, s), (b, t) = gaussians(), gaussians(seed=1)
    difference, spread = 3 * (F.normalize(a, dim=1) - F.normalize(b, dim=1)), s + t
    wanted = -0.5 * (difference**2 / spread + spread.log()).mean(dim=1)
    torch.testing.assert_close(mutual_likelihood_score(a, s, b, t, length=3.0), wanted)


def test_values_of_the_fact_sheet():
    mean, _ = gaussians(width=256)
    half = torch.full_like(mean, 0.5)
    torch.testing.assert_close(mutual_likelihood_score(mean, half, mean, half), torch.zeros(7).double())
    tiny = torch.full_like(mean, 1e-4)
    found = mutual_likelihood_score(mean, half, mean, tiny)
    torch.testing.assert_close(found, torch.full_like(found, 0.3465), atol=1e-4, rtol=0)


def test_at_one_variance_the_nearer_is_the_liker():
    mean, _ = gaussians(1)
    steps = torch.linspace(0, 3, 20, dtype=torch.float64)[:, None]
    away, _ = gaussians(1, seed=2)
    variance = torch.full_like(mean, 0.3)
    cosine = F.cosine_similarity(mean, mean + steps * away)
    score = mutual_likelihood_score(mean, variance, mean + steps * away, variance)
    assert torch.equal(score.argsort(), cosine.argsort())


def test_the_best_variance_is_the_squared_distance():
    (a, _), (b, _) = gaussians(1), gaussians(1, seed=1)
    best = (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square()
    factors = torch.linspace(0.5, 1.5, 11, dtype=torch.float64)[:, None]
    scores = mutual_likelihood_score(a, factors * best / 2, b, factors * best / 2)
    assert scores.argmax() == 5


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_scale_of_the_kernel_gives_the_score_over_the_temperature(reduction):
    (a, s), (b, t) = gaussians(), gaussians(seed=1)
    difference, spread = F.normalize(a, dim=1) - F.normalize(b, dim=1), s + t
    whole = (difference**2 / spread + spread.log()).sum(dim=1)
    wanted = mutual_likelihood_score(a, s, b, t, reduction=reduction) / 0.3
    torch.testing.assert_close(-0.5 * score_scale(12, 0.3, reduction) * whole, wanted)
