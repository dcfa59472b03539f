"""The probe pass gives the gates and leaves no trace in the network or in torch's generator."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vitrail_transface.model import TransFaceViT
from vitrail_transface.probe import probe_gates, probing


@pytest.fixture
def network(small_config):
    torch.manual_seed(0)
    return TransFaceViT(replace(small_config, drop_path=0.5, mask_ratio=0.5, checkpointing=True)).train()


def test_gates_are_those_of_the_network_in_eval_mode(network):
    images = torch.randn(5, 3, 112, 112)
    gates = probe_gates(network, images)
    assert gates.shape == (5, 144)
    assert not gates.requires_grad
    with torch.no_grad():
        wanted = network.eval().forward_features(images).gate
    assert torch.equal(gates, wanted)
    assert ((gates > 0) & (gates < 1)).all()


def test_leaves_no_trace(network):
    network.blocks[1].eval()  # somebody's frozen part
    modes = {name: part.training for name, part in network.named_modules()}
    state = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(3)
    before = torch.get_rng_state()
    probe_gates(network, torch.randn(4, 3, 112, 112, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert {name: part.training for name, part in network.named_modules()} == modes
    assert torch.is_grad_enabled()
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_training_step_is_the_same_with_and_without_a_probe(network):
    images = torch.randn(4, 3, 112, 112)
    found = []
    start = {name: value.clone() for name, value in network.state_dict().items()}
    for probe in (False, True):
        network.load_state_dict(start)
        torch.manual_seed(5)
        if probe:
            probe_gates(network, images)
        output = network(images)
        found.append([*output, *(value.clone() for value in network.state_dict().values())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    moved = network.state_dict()["feature.1.running_mean"]
    assert not torch.equal(moved, start["feature.1.running_mean"]), (
        "the pass itself does update the statistics"
    )


def test_a_second_pass_in_training_mode_would_leave_one(network):
    """What the authors' code does, and what this test file would notice."""
    torch.manual_seed(3)
    before, state = torch.get_rng_state(), network.state_dict()["feature.1.running_mean"].clone()
    with torch.no_grad():
        network(torch.randn(4, 3, 112, 112, generator=torch.Generator().manual_seed(1)))
    assert not torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(network.state_dict()["feature.1.running_mean"], state)


def test_modes_come_back_after_an_error(network):
    def fail():
        with probing(network):
            assert not any(part.training for part in network.modules())
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert all(part.training for part in network.modules())


def test_a_network_without_a_gate_has_nothing_to_tell(small_config):
    with pytest.raises(ValueError, match="no gate"):
        probe_gates(TransFaceViT(replace(small_config, gate=False)), torch.zeros(1, 3, 112, 112))
