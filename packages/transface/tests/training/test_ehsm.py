"""EHSM's weights: the authors' numbers, the table of the two entropies, and what happens to the gradient."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from vitrail_transface.config import EHSMConfig
from vitrail_transface.ehsm import sample_weights, token_entropy


def test_golden_weights(golden):
    torch.manual_seed(1)
    torch.randn(8, 512)
    torch.randint(0, 100, (8,))
    torch.testing.assert_close(
        sample_weights(torch.rand(8, 144)), torch.tensor(golden["pfc_ehsm"]["weights"]), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(
    ("sigma", "std", "gaussian"),
    [(0.3, 1.7408, 1.8066), (0.5, 1.6065, 1.4839), (1, 1.3679, 1.2420), (2, 1.1353, 1.1210)],
)
def test_weight_of_a_sample_whose_tokens_are_all_alike(sigma, std, gaussian):
    spread = torch.full((2, 144), float(sigma))
    assert sample_weights(spread).tolist() == pytest.approx([std] * 2, abs=1e-4)
    found = sample_weights(spread, EHSMConfig(entropy="gaussian"))
    assert found.tolist() == pytest.approx([gaussian] * 2, abs=1e-4)


def test_gaussian_entropy_is_that_of_a_normal_distribution():
    sigma = torch.tensor([0.1, 1.0, 7.0], dtype=torch.float64)
    wanted = torch.distributions.Normal(torch.zeros_like(sigma), sigma).entropy()
    torch.testing.assert_close(token_entropy(sigma, "gaussian"), wanted)
    assert torch.isfinite(token_entropy(torch.zeros(3), "gaussian")).all()
    with pytest.raises(ValueError, match="kind is 'bits'"):
        token_entropy(sigma, "bits")


def test_weights_lie_between_one_and_two():
    spread = torch.cat([torch.zeros(1, 144), 50 * torch.rand(5, 144)])
    eta = sample_weights(spread)
    assert eta[0] == 2
    assert ((eta >= 1) & (eta <= 2)).all()
    poor, rich = sample_weights(torch.tensor([[0.2] * 9, [0.9] * 9]))
    assert poor > rich, "a sample with less information weighs more"


def test_gamma():
    spread = torch.rand(3, 144)
    assert sample_weights(spread, EHSMConfig(gamma=0.0)).tolist() == [2.0] * 3
    eta = sample_weights(spread, EHSMConfig(gamma=2.5))
    torch.testing.assert_close(eta, 1 + (-2.5 * spread.mean(dim=1)).exp())


def test_no_gradient_unless_asked_for():
    spread = torch.rand(4, 144, dtype=torch.float64, requires_grad=True)
    assert not sample_weights(spread).requires_grad
    eta = sample_weights(spread, EHSMConfig(detach=False))
    eta.sum().backward()
    wanted = (-((spread.detach().mean(dim=1)).exp() ** -1) / 144)[:, None].expand_as(spread)
    torch.testing.assert_close(spread.grad, wanted)
    for entropy in ("std", "gaussian"):
        config = EHSMConfig(entropy=entropy, detach=False)
        assert torch.autograd.gradcheck(
            lambda s, c=config: sample_weights(s, c), spread.detach().requires_grad_()
        )


def test_gradient_of_the_weighted_loss():
    """eta (p - onehot) / B, the weights being constants."""
    logits = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 3, 6, 2, 2])
    eta = sample_weights(torch.rand(5, 144, dtype=torch.float64))
    (eta * F.cross_entropy(logits, labels, reduction="none")).mean().backward()
    wanted = eta[:, None] * (logits.detach().softmax(dim=1) - F.one_hot(labels, 7)) / 5
    torch.testing.assert_close(logits.grad, wanted)
    assert math.isclose(sample_weights(torch.ones(1, 3)).item(), 1 + math.exp(-1), rel_tol=1e-6)
