"""The mixture of signed entropies, and the weights that come of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitrail_topofr.damage import (
    alternating_signs,
    damage_weights,
    fit_mixture,
    prediction_entropy,
    random_signs,
)


def golden_entropy(name: str) -> torch.Tensor:
    if name == "gum_n16":
        entropy = np.abs(np.random.RandomState(0).randn(16))
        entropy[:3] += 5
    else:
        entropy = 3 * np.abs(np.random.RandomState(1).randn(128))
    return torch.from_numpy(entropy)


def test_released_mixture_of_sixteen(golden):
    wanted = golden["gum_n16"]
    found = fit_mixture(golden_entropy("gum_n16"), alternating_signs(16), fidelity="released")
    assert found.easy.tolist() == pytest.approx(wanted["gamma"], abs=1e-6)
    assert found.share.item() == wanted["pi"]
    assert found.variance.item() == pytest.approx(wanted["sigma"], abs=1e-6)
    assert found.density.item() == pytest.approx(wanted["c"], abs=1e-6)


@pytest.mark.parametrize("rounds", [None, 50])
def test_released_mixture_of_a_batch(golden, rounds):
    wanted = golden["gum_n128"]
    entropy = golden_entropy("gum_n128")
    found = fit_mixture(entropy, alternating_signs(128), fidelity="released", rounds=rounds)
    assert found.share.item() == wanted["pi"]
    assert found.variance.item() == pytest.approx(wanted["sigma"], abs=1e-5)
    assert found.density.item() == pytest.approx(wanted["c"], abs=1e-5)
    for statistic in ("mean", "min", "max"):
        value = getattr(found.easy, statistic)().item()
        assert value == pytest.approx(wanted[f"gamma_{statistic}"], abs=1e-5)


def by_definition(values: np.ndarray, rounds: int) -> np.ndarray:
    """Eq. 3 to 7 as they are printed, on values that are standardised already, with a cap on pi."""
    pi, sigma, u = 0.1, float((values**2).mean()), 0.2
    for _ in range(rounds):
        phi = np.exp(-(values**2) / (2 * (sigma + 1e-3))) / np.sqrt(2 * np.pi * (sigma + 1e-3))
        h = (1 - pi) * u / (pi * phi + (1 - pi) * u)
        pi = min((1 - h).mean(), 0.5)
        sigma = ((1 - h) * values**2).sum() / (1 - h).sum()
        eta1 = (h / (1 - pi) * values).sum() / (1 - h).sum()
        eta2 = (h / (1 - pi) * values**2).sum() / (1 - h).sum()
        omega = np.sqrt(3 * (eta2 - eta1**2))
        u = 1 / (2 * omega)
    return 1 - h


def test_paper_mixture_follows_the_equations():
    rng = np.random.RandomState(2)
    values = np.where(np.arange(90) < 60, 0.3 * rng.randn(90), rng.uniform(-4, 4, 90))
    values = (values - values.mean()) / values.std()
    found = fit_mixture(torch.from_numpy(np.abs(values)), torch.from_numpy(np.sign(values)), rounds=30)
    np.testing.assert_allclose(found.easy.numpy(), by_definition(values, 30), atol=1e-10)
    assert found.easy[:60].mean() > found.easy[60:].mean() + 0.2


def test_paper_and_released_differ_in_omega():
    """One sign for all large values makes eta1 large, which the released formula does not multiply by 3."""
    entropy = golden_entropy("gum_n16")
    signs = torch.ones(16)
    signs[5:] = -1
    paper, released = (fit_mixture(entropy, signs, fidelity=name) for name in ("paper", "released"))
    assert (paper.easy - released.easy).abs().max() > 1e-4


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_the_more_entropy_the_less_easy(fidelity):
    entropy = golden_entropy("gum_n128")
    signs = alternating_signs(128)
    signed = entropy * signs
    entropy, signs = entropy[signed.abs().argsort()], signs[signed.abs().argsort()]
    easy = fit_mixture(entropy, signs, fidelity=fidelity).easy
    for sign in (-1, 1):  # the standardisation moves the zero a little, so either side by itself
        assert (easy[signs == sign].diff() < 1e-2).all()
    assert easy[:20].mean() > easy[-20:].mean() + 0.3


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_the_order_of_the_samples_does_not_matter(fidelity):
    entropy, order = golden_entropy("gum_n128"), torch.randperm(128)
    signs = random_signs(128, generator=torch.Generator().manual_seed(0))
    one = fit_mixture(entropy, signs, fidelity=fidelity)
    other = fit_mixture(entropy[order], signs[order], fidelity=fidelity)
    torch.testing.assert_close(one.easy[order], other.easy)


@pytest.mark.parametrize("fidelity", ["paper", "released"])
@pytest.mark.parametrize("value", [0.0, 1e-30, 2.5, 1e6])
def test_equal_entropies_give_numbers(fidelity, value):
    for count in (0, 1, 2, 17):
        for signs in (torch.ones(count), alternating_signs(count)):
            found = fit_mixture(torch.full((count,), value), signs, fidelity=fidelity)
            assert all(part.isfinite().all() for part in found)
            assert ((found.easy >= 0) & (found.easy <= 1)).all()


def test_a_run_that_does_not_stop_ends_as_one_that_does():
    """On a device the rounds go on after it has settled, with numbers that no longer change."""
    entropy, signs = golden_entropy("gum_n16"), alternating_signs(16)
    settled = fit_mixture(entropy, signs)
    more = fit_mixture(entropy, signs, rounds=5000)
    assert torch.equal(settled.easy, more.easy)
    fifty = fit_mixture(golden_entropy("gum_n128"), alternating_signs(128), rounds=50)
    whole = fit_mixture(golden_entropy("gum_n128"), alternating_signs(128))
    assert (fifty.easy - whole.easy).abs().max() < 1e-6


def test_signs():
    assert alternating_signs(5).tolist() == [-1, 1, -1, 1, -1]
    generator = torch.Generator().manual_seed(3)
    signs = random_signs(10_000, generator=generator)
    assert set(signs.tolist()) == {-1.0, 1.0}
    assert abs(signs.mean()) < 0.05
    assert torch.equal(signs, random_signs(10_000, generator=torch.Generator().manual_seed(3)))


def test_entropy_of_predictions():
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [100.0, 0.0, 0.0, 0.0]])
    entropy = prediction_entropy(logits)
    assert entropy[0].item() == pytest.approx(np.log(4), abs=1e-4)
    assert entropy[1].item() == pytest.approx(0, abs=1e-4)
    assert prediction_entropy(64 * torch.randn(3, 1000).half()).isfinite().all()


def test_weights_stay_in_their_range():
    easy, target = torch.rand(1000).double(), torch.rand(1000)
    for power in (0.0, 0.5, 1.0, 2.0):
        weights = damage_weights(easy, target, power=power)
        assert ((weights >= 0) & (weights <= 2**power)).all()
        torch.testing.assert_close(weights, (2 - easy.float()) ** power * (1 - target))
    released = damage_weights(easy, target, fidelity="released")
    assert ((released >= 1) & (released <= 2)).all()
    torch.testing.assert_close(released, 2 - easy.float())
    assert (
        damage_weights(torch.ones(1), torch.ones(1), fidelity="released").item() == 0
    )  # 1 is a whole number


def test_weights_are_constants_unless_asked():
    easy, target = torch.rand(4), torch.rand(4, requires_grad=True)
    assert not damage_weights(easy, target).requires_grad
    assert not damage_weights(easy, target, fidelity="released", focal_gradient=True).requires_grad
    damage_weights(easy, target, focal_gradient=True).sum().backward()
    torch.testing.assert_close(target.grad, easy - 2)
