"""The network is the published one: names, shapes, counts, and the numbers that upstream's code gives."""

from __future__ import annotations

import pytest
import torch

from vitrail_cmunet.config import CMUNetConfig
from vitrail_cmunet.model import CMUNet

STEPS_ON_THE_WAY = (
    "AFFs.0",
    "AFFs.1",
    "AFFs.2",
    "layers_up.0.0.blocks.0.self_attention",
    "layers_up.0",
    "layers_up.1",
    "layers_up.2",
    "layers_up.3.blocks.0.self_attention",
    "layers_up.3.blocks.0",
    "layers_up.3",
    "norm_up",
)


def test_names_shapes_and_types_are_the_published_ones(published, published_keys):
    own = {
        name: [list(t.shape), str(t.dtype).removeprefix("torch.")]
        for name, t in published.state_dict().items()
    }
    assert own == published_keys


@pytest.mark.parametrize("classes", [2, 6, 19])
def test_parameter_count(classes):
    network = CMUNet(CMUNetConfig(classes=tuple(map(str, range(classes))), palette=()))
    assert sum(p.numel() for p in network.parameters()) == 13_108_070 + 320 * classes


def test_what_no_forward_pass_reads_is_frozen(published):
    frozen = {name: p.numel() for name, p in published.named_parameters() if not p.requires_grad}
    assert {name.split(".")[0] for name in frozen} == {"norm", "up", "AFFs"}
    assert sum(frozen.values()) == 79_344
    assert (
        sum(p.numel() for p in published.parameters()) - sum(frozen.values()) == 13_108_070 + 320 * 6 - 79_344
    )


def test_every_other_parameter_gets_a_gradient():
    torch.manual_seed(0)
    network = CMUNet(CMUNetConfig(drop_path=0.0)).train()
    logits, auxiliary = network(torch.randn(2, 3, 64, 32))
    (logits.square().mean() + sum(head.square().mean() for head in auxiliary)).backward()
    without = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert not without


def test_a_narrow_network_has_no_unused_parameters():
    network = CMUNet(CMUNetConfig(width=16))
    assert not hasattr(network, "up")
    assert all(p.requires_grad for p in network.parameters())


def check_logits(logits, case):
    wanted = case["logits"]
    assert list(logits.shape) == wanted["shape"]
    assert logits.mean().item() == pytest.approx(wanted["mean"], abs=1e-4)
    assert logits.std().item() == pytest.approx(wanted["std"], abs=1e-4)
    assert logits.abs().max().item() == pytest.approx(wanted["absmax"], abs=1e-4)
    assert logits.flatten()[:5].tolist() == pytest.approx(wanted["first5"], abs=1e-4)
    assert logits[0].mean(dim=(1, 2)).tolist() == pytest.approx(case["class_mean"], abs=1e-4)
    for place, value in case["samples"].items():
        k, y, x = map(int, place.split(","))
        assert logits[0, k, y, x].item() == pytest.approx(value, abs=1e-4), place
    counts = torch.bincount(logits.argmax(1).flatten(), minlength=6)
    assert (
        counts - torch.tensor(case["argmax_hist"])
    ).abs().sum() <= 4  # a tie may fall either way elsewhere


def test_logits_equal_upstreams(published, golden, golden_image):
    with torch.no_grad():
        check_logits(published(golden_image(golden["H"], golden["W"])), golden)


def test_logits_of_oblong_images(published, oblong, golden_image):
    for case in oblong:
        with torch.no_grad():
            check_logits(published(golden_image(case["H"], case["W"])), case)


def test_every_step_on_the_way_equals_upstreams(published, golden, golden_image):
    seen = {}
    hooks = [
        published.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: seen.update({name: output})
        )
        for name in STEPS_ON_THE_WAY
    ]
    try:
        with torch.no_grad():
            published(golden_image(golden["H"], golden["W"]))
    finally:
        for hook in hooks:
            hook.remove()
    assert set(seen) == set(golden["inter"])
    for name, wanted in golden["inter"].items():
        found = seen[name]
        assert list(found.shape) == wanted["shape"], name
        assert found.flatten()[:5].tolist() == pytest.approx(wanted["first5"], abs=1e-4), name
        assert found.mean().item() == pytest.approx(wanted["mean"], abs=1e-4), name
        assert found.std().item() == pytest.approx(wanted["std"], abs=1e-4), name
        assert found.abs().max().item() == pytest.approx(wanted["absmax"], abs=1e-4), name
