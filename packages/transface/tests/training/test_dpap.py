"""DPAP perturbs what it says, as often as it says, and nothing else."""

from __future__ import annotations

import pytest
import torch

from vitrail_transface.config import TOKENS, DPAPConfig
from vitrail_transface.dpap import dominant, draw, perturb


def batch(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (count, 3, 112, 112), generator=generator) / 127.5 - 1
    return images, torch.rand(count, TOKENS, generator=generator)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def changed_cells(images, perturbed):
    """(B, 144) bool, and whether a pixel changed that belongs to no patch."""
    changed = (images != perturbed).any(dim=1)
    cells = changed[:, :108, :108].unflatten(1, (12, 9)).unflatten(3, (12, 9)).any(dim=(2, 4)).flatten(1)
    return cells, bool(changed[:, 108:].any() or changed[:, :, 108:].any())


def test_a_probability_of_zero_is_bit_identical():
    images, gates = batch(6)
    config = DPAPConfig(probability=0.0)
    assert torch.equal(perturb(images, gates, config=config, generator=seeded()), images)


def test_the_dominant_patches_of_the_chosen_images_change_and_no_others():
    images, gates = batch(40)
    before = images.clone()
    perturbed = perturb(images, gates, generator=seeded(1))
    assert torch.equal(images, before)
    cells, beyond = changed_cells(images, perturbed)
    assert not beyond
    chosen = draw(40, DPAPConfig(), seeded(1)).chosen
    assert 0 < chosen.sum() < 40
    for row in range(40):
        wanted = gates[row].argsort(descending=True)[:7].sort().values.tolist() if chosen[row] else []
        assert cells[row].nonzero().flatten().tolist() == wanted


def test_every_image_and_other_numbers_of_patches():
    images, gates = batch(5)
    config = DPAPConfig(probability=1.0, tokens=3)
    cells, _ = changed_cells(images, perturb(images, gates, config=config, generator=seeded()))
    assert cells.sum(dim=1).tolist() == [3] * 5


def test_dominance_is_the_same_by_gate_and_by_its_softmax():
    gates = batch(9)[1]
    assert torch.equal(dominant(gates, 7), dominant(gates.softmax(dim=1), 7))


def test_without_alpha_only_rounding_changes():
    images, gates = batch(4)
    config = DPAPConfig(probability=1.0, alpha=0.0)
    assert (perturb(images, gates, config=config, generator=seeded()) - images).abs().max() < 1e-5


def test_released_gives_whole_grey_levels_and_paper_does_not():
    images, gates = batch(4)
    found = {}
    for fidelity in ("paper", "released"):
        config = DPAPConfig(probability=1.0, fidelity=fidelity)
        levels = 127.5 * perturb(images, gates, config=config, generator=seeded()) + 127.5
        found[fidelity] = levels
        assert levels.min() > -1e-3
        assert levels.max() < 255 + 1e-3
    off = {name: (levels - levels.round()).abs().max().item() for name, levels in found.items()}
    assert off["released"] < 1e-3
    assert off["paper"] > 0.3
    lost = (found["paper"] - found["released"])[changed_pixels(found["paper"], found["released"])]
    assert lost.min() > -1e-3
    assert lost.max() < 1 + 1e-3


def changed_pixels(one, other):
    return (one - other).abs() > 1e-3


def test_the_generator_decides_everything():
    images, gates = batch(20)
    state = torch.get_rng_state()
    first = perturb(images, gates, generator=seeded(3))
    assert torch.equal(torch.get_rng_state(), state), "torch's own generator was used"
    assert torch.equal(perturb(images, gates, generator=seeded(3)), first)
    assert not torch.equal(perturb(images, gates, generator=seeded(4)), first)


def test_as_many_numbers_are_drawn_whatever_is_chosen():
    """So that a resumed run goes on as the one that was broken off."""
    generators = [seeded(5), seeded(5)]
    draw(16, DPAPConfig(probability=0.0), generators[0])
    draw(16, DPAPConfig(probability=1.0), generators[1])
    assert torch.equal(*(generator.get_state() for generator in generators))


def test_draws_are_spread_as_they_should():
    chosen, donors, share = draw(4000, DPAPConfig(alpha=0.5), seeded(6))
    assert chosen.float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert share.shape == donors.shape == (4000, 7)
    assert share.min() >= 0
    assert share.max() < 0.5
    assert share.mean().item() == pytest.approx(0.25, abs=0.01)
    assert share.var(dim=1).min() > 0, "each patch has its own share"
    assert donors.min() >= 0
    assert donors.max() < 4000 * TOKENS
    counts = (donors % TOKENS).flatten().bincount(minlength=TOKENS)
    assert counts.min() > 0.7 * counts.float().mean()
    assert (donors // TOKENS).unique().numel() > 3900


def test_gates_of_another_shape_are_refused():
    images, gates = batch(3)
    with pytest.raises(ValueError, match=r"gates have shape \(2, 144\); wanted is \(3, 144\)"):
        perturb(images, gates[:2], generator=seeded())


def test_an_empty_batch():
    images, gates = batch(0)
    assert perturb(images, gates, generator=seeded()).shape == (0, 3, 112, 112)
