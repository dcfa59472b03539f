"""The network is the published one: names, numbers, formula; and it can be used before it is trained."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from vitrail_topofr.config import TopoFRConfig, r18, r50, r100, r200, tiny
from vitrail_topofr.model import IResNet

PARAMETERS = {r18: 24_025_600, r50: 43_590_848, r100: 65_156_160, r200: 118_833_920}


@pytest.mark.parametrize(("variant", "make"), [("r50", r50), ("r100", r100)])
def test_names_shapes_and_types_are_the_published_ones(published_keys, variant, make):
    with torch.device("meta"):
        state = IResNet(make()).state_dict()
    wanted = published_keys(variant)["keys"]
    assert wanted.pop("weight")["shape"][1] == 512  # the class centres
    assert list(state) == list(wanted)
    for name, tensor in state.items():
        assert list(tensor.shape) == wanted[name]["shape"], name
        assert str(tensor.dtype) == f"torch.{wanted[name]['dtype']}", name


@pytest.mark.parametrize("make", PARAMETERS, ids=lambda make: make.__name__)
def test_number_of_parameters(make):
    with torch.device("meta"):
        network = IResNet(make())
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[make]
    if make is r200:
        assert len(network.state_dict()) == 1808 - 1


def test_numbers_of_the_released_code(published, golden_fill, golden_image):
    with torch.no_grad():
        found = published(golden_image)
    assert found.norm(dim=1).tolist() == pytest.approx(golden_fill["emb_norm"], abs=1e-4)
    assert found[0, :8].tolist() == pytest.approx(golden_fill["emb_first8"], abs=1e-4)


def test_cosines_to_the_class_centres_of_the_released_code(
    published, published_state, golden_fill, golden_image
):
    """The logits before margin and scale, from the centres that a checkpoint holds."""
    with torch.no_grad():
        found = nn.functional.normalize(published(golden_image))
    logits = found @ nn.functional.normalize(published_state["weight"]).T
    assert logits[0, :4].tolist() == pytest.approx(golden_fill["logits_first4"], abs=1e-4)


def by_formula(state, config, x):
    """The network written out in float64, sums over shifted copies instead of convolutions; independent of
    model.py."""
    state = {name: value.double() for name, value in state.items()}

    def norm(x, name):
        shape = (1, -1) + (1,) * (x.dim() - 2)
        mean, variance, gain, shift = (
            state[f"{name}.{part}"].view(shape) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-5) ** 0.5 * gain + shift

    def convolution(x, name, stride=1):
        weight = state[f"{name}.weight"]
        side = weight.shape[-1]
        border = side // 2
        height, width = x.shape[-2:]
        padded = x.new_zeros(*x.shape[:2], height + 2 * border, width + 2 * border)
        padded[..., border : border + height, border : border + width] = x
        total = 0
        for dy in range(side):
            for dx in range(side):
                shifted = padded[..., dy : dy + height : stride, dx : dx + width : stride]
                total = total + torch.einsum("oc,bchw->bohw", weight[:, :, dy, dx], shifted)
        return total

    def prelu(x, name):
        slope = state[f"{name}.weight"].view(1, -1, 1, 1)
        return x.clamp(min=0) + slope * x.clamp(max=0)

    x = prelu(norm(convolution(x.double(), "conv1"), "bn1"), "prelu")
    for stage, count in enumerate(config.blocks, start=1):
        for number in range(count):
            name = f"layer{stage}.{number}"
            stride = 2 if number == 0 else 1
            y = norm(x, f"{name}.bn1")
            y = prelu(norm(convolution(y, f"{name}.conv1"), f"{name}.bn2"), f"{name}.prelu")
            y = norm(convolution(y, f"{name}.conv2", stride), f"{name}.bn3")
            if number == 0:
                x = norm(convolution(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
            x = x + y
    x = norm(x, "bn2").reshape(len(x), -1)
    return norm(x @ state["fc.weight"].T + state["fc.bias"], "features")


def test_other_sizes_follow_the_formula(small):
    x = torch.rand(3, 3, 112, 112, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        found = small(x)
    wanted = by_formula(small.state_dict(), small.config, x)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-4)
    assert (found[0] - found[1]).norm() > 0.01


def test_equal_widths_still_shrink_by_stages():
    config = TopoFRConfig(blocks=(1, 2, 1, 1), widths=(5, 5, 5, 5), embedding=7)
    torch.manual_seed(2)
    network = IResNet(config).eval()
    x = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        torch.testing.assert_close(
            network(x).double(), by_formula(network.state_dict(), config, x), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize(("make", "factor"), [(r18, 1e3), (tiny, 10)], ids=["r18", "tiny"])
def test_an_untrained_network_can_be_used(make, factor):
    """With PyTorch's own running statistics it grows with every block and channel; with ours it does not."""
    torch.manual_seed(0)
    network = IResNet(make()).eval()
    x = torch.rand(4, 3, 112, 112) * 2 - 1
    with torch.no_grad():
        found = network(x)
        assert found.isfinite().all()
        assert 0.2 < found.square().mean() < 5
        naive = copy.deepcopy(network)
        for module in naive.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.reset_running_stats()
        assert naive(x).abs().mean() > factor * found.abs().mean()


@pytest.mark.slow
@pytest.mark.parametrize("make", [r50, r100, r200], ids=lambda make: make.__name__)
def test_a_large_untrained_network_can_be_used(make):
    torch.manual_seed(0)
    network = IResNet(make()).eval()
    with torch.no_grad():
        found = network(torch.rand(2, 3, 112, 112) * 2 - 1)
        assert 0.2 < found.square().mean() < 5
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.reset_running_stats()
        overflown = network(torch.rand(2, 3, 112, 112) * 2 - 1)
        assert not overflown.abs().max() < 1e15


def test_training_has_unit_embeddings_and_moves_every_parameter(small):
    network = copy.deepcopy(small).train()
    with torch.no_grad():
        network.features.weight.fill_(1)
        network.features.bias.zero_()
    found = network(torch.randn(16, 3, 112, 112, generator=torch.Generator().manual_seed(0)))
    assert found.var(dim=0, unbiased=False).tolist() == pytest.approx([1.0] * 12, abs=0.01)
    (found * torch.randn(found.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    assert network.features.weight.requires_grad, "the last gain is trained, unlike in insightface"
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert still in ([], ["fc.bias"])  # a BatchNorm takes the bias out again


def test_under_autocast_the_embedding_is_float32(small):
    x = torch.rand(2, 3, 112, 112)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = small(x)
    assert found.dtype == torch.float32
    with torch.no_grad():
        wanted = small(x)
    assert (found - wanted).norm() / wanted.norm() < 0.05


def test_other_inputs_are_refused(small):
    with pytest.raises(ValueError, match=r"shape \(1, 3, 128, 128\); wanted is \(B, 3, 112, 112\)"):
        small(torch.zeros(1, 3, 128, 128))
