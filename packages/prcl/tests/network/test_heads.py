"""ASPP, the head of the variances and what joins them, against the formulas in float64."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from vitrail_prcl.heads import ASPP, FLOOR, VarianceHead, squash


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def normalised(x, state, name, trained=True):
    """BatchNorm with the statistics it has collected, channel by channel."""
    mean, var = (state[f"{name}.{what}"].view(-1, 1, 1) for what in ("running_mean", "running_var"))
    x = (x - mean) / (var + 1e-5).sqrt()
    if not trained:
        return x
    return x * state[f"{name}.weight"].view(-1, 1, 1) + state[f"{name}.bias"].view(-1, 1, 1)


def block(x, state, name, **options):
    """Convolution, BatchNorm, ReLU."""
    return normalised(F.conv2d(x, state[f"{name}.0.weight"], **options), state, f"{name}.1").clamp(min=0)


def aspp(x, state, dilations):
    branches = [block(x, state, "convs.0")]
    for index, rate in enumerate(dilations, 1):
        branches.append(block(x, state, f"convs.{index}", padding=rate, dilation=rate))
    pooled = F.conv2d(x.mean(dim=(2, 3), keepdim=True), state["convs.4.1.weight"])
    pooled = normalised(pooled, state, "convs.4.2").clamp(min=0)
    branches.append(F.interpolate(pooled, size=x.shape[-2:], mode="bilinear", align_corners=False))
    return block(torch.cat(branches, dim=1), state, "project")


def variance(f, state):
    """Pixel by pixel: two matrices with rows of length 1."""
    x = f.permute(0, 2, 3, 1)
    first = state["fc1"] / state["fc1"].norm(dim=1, keepdim=True)
    second = state["fc2"] / state["fc2"].norm(dim=1, keepdim=True)
    x = normalised((x @ first.T).permute(0, 3, 1, 2), state, "bn1").clamp(min=0).permute(0, 2, 3, 1)
    x = normalised((x @ second.T).permute(0, 3, 1, 2), state, "bn2", trained=False)
    x = state["gamma"] * x + state["beta"]
    return torch.sigmoid(torch.log(torch.exp(x) + 1e-6))


def unsettled(module):
    """In float64 and eval mode, with every number of it drawn at random."""
    module = module.double().eval()
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                value.normal_()
                if name.endswith("running_var"):
                    value.abs_().add_(0.5)
    return module


def test_aspp_is_the_formula():
    module = unsettled(ASPP(7, 5, (2, 4, 6)))
    x = torch.randn(2, 7, 9, 13, dtype=torch.float64)
    torch.testing.assert_close(module(x), aspp(x, module.state_dict(), (2, 4, 6)), rtol=1e-10, atol=1e-10)


def test_the_variance_head_is_the_formula():
    module = unsettled(VarianceHead(7, 5))
    f = torch.randn(2, 7, 4, 3, dtype=torch.float64)
    torch.testing.assert_close(module(f), variance(f, module.state_dict()), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [(70, 45), (64, 96)], ids=str)
def test_the_whole_decoder_is_the_formula(small, size):
    network = copy.deepcopy(small).double()
    state = network.state_dict()

    def part(name):
        return {
            key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")
        }

    def head(f, name):
        own = part(name)
        x = F.conv2d(f, own["0.weight"], padding=1)
        x = normalised(x, own, "1").clamp(min=0)
        return F.conv2d(x, own["3.weight"], own["3.bias"])

    image = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        maps = network.backbone(image)
        low, high = maps[1], maps[4]
        assert low.shape[-1] == math.ceil(size[1] / 4)
        assert high.shape[-1] == math.ceil(size[1] / 16)
        near = normalised(F.conv2d(low, state["project.0.weight"]), part("project"), "1").clamp(min=0)
        far = aspp(high, part("ASPP"), (6, 12, 18))
        far = F.interpolate(far, size=low.shape[-2:], mode="bilinear", align_corners=True)
        f = torch.cat([near, far], dim=1)
        found = network.represent(image)
        torch.testing.assert_close(found.logits, head(f, "classifier"), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(found.mean, head(f, "representation"), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(found.variance, variance(f, part("variance")), rtol=1e-9, atol=1e-9)
        upright = F.interpolate(found.logits, size=size, mode="bilinear", align_corners=True)
        torch.testing.assert_close(network(image), upright, rtol=1e-9, atol=1e-9)
        logits, uncertainty = network.measure(image)
        torch.testing.assert_close(logits, upright, rtol=1e-9, atol=1e-9)
        average = found.variance.mean(1, keepdim=True)
        enlarged = F.interpolate(average, size=size, mode="bilinear", align_corners=True)
        torch.testing.assert_close(uncertainty, enlarged[:, 0], rtol=1e-9, atol=1e-9)


def test_squash_equals_its_definition():
    x = torch.linspace(-40, 40, 401, dtype=torch.float64, requires_grad=True)
    wanted = torch.sigmoid(torch.log(torch.exp(x) + FLOOR))
    torch.testing.assert_close(squash(x), wanted, rtol=1e-12, atol=1e-15)
    (slope,) = torch.autograd.grad(squash(x).sum(), x)
    (wanted_slope,) = torch.autograd.grad(wanted.sum(), x)
    torch.testing.assert_close(slope, wanted_slope, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_squash_neither_overflows_nor_reaches_zero(dtype):
    x = torch.tensor([-3e4, -200.0, -14.0, 0.0, 12.0, 100.0, 3e4], dtype=dtype, requires_grad=True)
    found = squash(x)
    assert found.isfinite().all()
    assert ((found > 0) & (found <= 1)).all()
    found.sum().backward()
    assert x.grad.isfinite().all()


def test_the_length_of_a_row_does_not_matter():
    module = unsettled(VarianceHead(7, 5))
    f = torch.randn(2, 7, 4, 3, dtype=torch.float64)
    before = module(f)
    with torch.no_grad():
        module.fc1 *= torch.rand(5, 1) + 0.5
        module.fc2 *= 1e3
    torch.testing.assert_close(module(f), before)
