"""The whole loss is the sum of its parts, in both fidelities, and trains the embedding's scale."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vitrail.errors import UsageError
from vitrail_topofr.config import MethodConfig
from vitrail_topofr.damage import (
    alternating_signs,
    damage_weights,
    fit_mixture,
    prediction_entropy,
    random_signs,
)
from vitrail_topofr.objective import objective
from vitrail_topofr.structure import structure_loss


@pytest.fixture
def batch():
    torch.manual_seed(0)
    images = torch.rand(24, 3, 16, 16) * 2 - 1
    embeddings = torch.randn(24, 8, requires_grad=True)
    logits = 16 * F.normalize(embeddings) @ F.normalize(torch.randn(10, 8)).T
    return {
        "clean": images,
        "embeddings": embeddings,
        "cross_entropy": F.cross_entropy(logits, torch.randint(0, 10, (24,)), reduction="none"),
        "entropy": prediction_entropy(logits),
    }


def terms(config: MethodConfig, batch, seed: int = 1):
    return objective(config, generator=torch.Generator().manual_seed(seed), **batch)


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_sum_of_the_parts(batch, fidelity):
    config = MethodConfig(fidelity=fidelity, alpha=0.3, power=2.0)
    found = terms(config, batch)
    if fidelity == "paper":
        signs, matching = random_signs(24, generator=torch.Generator().manual_seed(1)), "edges"
    else:
        signs, matching = alternating_signs(24), "sorted"
    mixture = fit_mixture(batch["entropy"], signs, fidelity=fidelity)
    weights = damage_weights(mixture.easy, (-batch["cross_entropy"]).exp(), power=2.0, fidelity=fidelity)
    structure = structure_loss(batch["clean"], batch["embeddings"], matching=matching)
    wanted = (weights * batch["cross_entropy"]).mean() + 0.3 * structure
    torch.testing.assert_close(found.loss, wanted)
    torch.testing.assert_close(found.structure, structure.detach())
    torch.testing.assert_close(found.weight, weights.mean())
    assert not any(part.requires_grad for part in found[1:])
    assert found.norm.item() == pytest.approx(batch["embeddings"].norm(dim=1).mean().item())


def test_without_either_it_is_the_mean_cross_entropy(batch):
    config = MethodConfig(alpha=0.0, damage=False)
    found = terms(config, {**batch, "entropy": None})
    torch.testing.assert_close(found.loss, batch["cross_entropy"].mean())
    assert found.structure == 0
    assert found.weight == 1


def test_signs_come_from_the_generator(batch):
    config = MethodConfig(alpha=0.0)
    first, again, other = (terms(config, batch, seed).loss for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_structure_loss_shrinks_embeddings_that_are_too_large(batch):
    """Right after the start they are about sqrt(D) long, and pixel distances are below 1."""
    scale = torch.tensor(1.0, requires_grad=True)
    structure_loss(batch["clean"], scale * batch["embeddings"].detach()).backward()
    assert scale.grad > 0


def test_missing_entropy_and_bad_settings_are_named(batch):
    with pytest.raises(ValueError, match="damage is on and no entropy was given"):
        terms(MethodConfig(), {**batch, "entropy": None})
    for settings, words in [
        ({"fidelity": "exact"}, "fidelity is 'exact'; wanted is paper or released"),
        ({"xi": 1.5}, "xi is 1.5"),
        ({"alpha_warmup": -1}, "alpha_warmup is -1"),
        ({"alpha": -1.0}, "alpha is -1.0"),
        ({"power": float("nan")}, "power is nan"),
    ]:
        with pytest.raises(UsageError, match=words):
            MethodConfig(**settings)
