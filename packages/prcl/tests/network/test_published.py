"""The network is the published one: names, shapes, counts, and the numbers that the authors' code gives."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vitrail_prcl.config import r50, r101
from vitrail_prcl.model import PRCLNet

VARIANTS = {"r50_torchvision": r50, "r101_torchvision": r101}
COUNTS = {"r50_torchvision": 40_528_565, "r101_torchvision": 59_520_693}
BOTH = pytest.mark.parametrize("name", VARIANTS)


@pytest.fixture(scope="module")
def shapes_only() -> dict[str, PRCLNet]:
    """Both networks in eval mode, without numbers."""
    with torch.device("meta"):
        return {name: PRCLNet(config()).eval() for name, config in VARIANTS.items()}


def published_name(name: str) -> str:
    return name.replace("backbone.", "resnet_", 1)


def split(network: PRCLNet) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Shapes by published name: of the student, and of the head of the variances."""
    student, variance = {}, {}
    for name, tensor in network.state_dict().items():
        part, _, rest = name.partition(".")
        if part == "variance":
            variance[rest] = list(tensor.shape)
        else:
            student[published_name(name)] = list(tensor.shape)
    return student, variance


@BOTH
def test_names_and_shapes(shapes_only, golden, name):
    student, variance = split(shapes_only[name])
    assert student == golden[name]["model"]
    assert variance == golden[name]["uncer_head"]


@BOTH
def test_parameter_counts(shapes_only, golden, name):
    network, wanted = shapes_only[name], golden[name]
    counts = {part: sum(p.numel() for p in module.parameters()) for part, module in network.named_children()}
    assert counts.pop("variance") == wanted["params_uncer"] == 143_874
    assert sum(counts.values()) == wanted["params_student"] == COUNTS[name]
    assert counts == {
        "backbone": wanted["params_backbone"],
        "ASPP": wanted["params_aspp"],
        "project": wanted["params_lowproj"],
        "classifier": wanted["params_classifier"],
        "representation": wanted["params_representation"],
    }


@BOTH
def test_dilations(shapes_only, golden, name):
    dilated = {
        published_name(place): [[1, 1], list(module.dilation), list(module.padding)]
        for place, module in shapes_only[name].named_modules()
        if isinstance(module, nn.Conv2d) and module.dilation != (1, 1)
    }
    assert dilated == golden[name]["dilated_convs"]


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("r50_torchvision", 321),
        ("r101_torchvision", 321),
        ("r101_torchvision", 512),
        ("r101_torchvision", 513),
    ],
)
def test_shapes_of_maps(shapes_only, golden, name, side):
    network, wanted = shapes_only[name], golden[name][f"fwd_{side}"]
    image = torch.empty(1, 3, side, side, device="meta")
    assert [list(x.shape) for x in network.backbone(image)[1:]] == wanted["layers"]
    assert list(network.fuse(image).shape) == wanted["feat"]
    made = network.represent(image)
    assert [list(x.shape) for x in made] == [wanted["pred"], wanted["rep"], wanted["sigma"]]
    assert network(image).shape == (1, 21, side, side)


def start_as_recorded(network: PRCLNet) -> None:
    """The first weights of the recorded network: torch's defaults, drawn in the order in which the authors' code
    builds it. Its ResNet builds the shortcut of a block before the block."""
    torch.manual_seed(0)
    backbone = network.backbone
    backbone.conv1.reset_parameters()
    for stage in (backbone.layer1, backbone.layer2, backbone.layer3, backbone.layer4):
        for block in stage:
            if block.downsample is not None:
                block.downsample[0].reset_parameters()
            for convolution in (block.conv1, block.conv2, block.conv3):
                convolution.reset_parameters()
    for head in (network.ASPP, network.project, network.classifier, network.representation):
        for module in head.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()
    nn.init.kaiming_normal_(network.variance.fc1)
    nn.init.kaiming_normal_(network.variance.fc2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            if module.affine:  # timm starts the last one of a block at 0
                nn.init.ones_(module.weight)


@torch.no_grad()
def check_numbers(network: PRCLNet, recorded, sides) -> None:
    start_as_recorded(network)
    for side in sides:
        wanted, image = recorded[f"fwd_{side}"], torch.randn(1, 3, side, side)
        if side == 321:
            logits, mean, variance = network.eval().represent(image)
            assert variance.min().item() == pytest.approx(wanted["sigma_min"], abs=1e-5)
            assert variance.max().item() == pytest.approx(wanted["sigma_max"], abs=1e-5)
            assert variance.mean().item() == pytest.approx(wanted["sigma_mean"], abs=1e-6)
            assert mean.norm(dim=1).mean().item() == pytest.approx(wanted["rep_norm_mean"], rel=1e-5)
            assert logits.abs().mean().item() == pytest.approx(wanted["pred_abs_mean"], rel=1e-5)
    wanted = recorded["train_mode_129"]
    logits, mean, variance = network.train()(torch.randn(2, 3, 129, 129))
    # of 45,738 numbers, which processors add in orders of their own
    assert logits.double().sum().item() == pytest.approx(wanted["pred_sum"], abs=0.3)
    assert variance.double().sum().item() == pytest.approx(wanted["sigma_sum"], abs=0.2)  # of 557,568
    assert variance.std().item() == pytest.approx(wanted["sigma_std"], abs=1e-5)
    assert variance.min().item() == pytest.approx(wanted["sigma_min"], abs=1e-5)
    assert variance.max().item() == pytest.approx(wanted["sigma_max"], abs=1e-5)
    assert mean.norm(dim=1).mean().item() == pytest.approx(wanted["rep_norm"], rel=1e-5)


def test_numbers_of_resnet50(golden):
    check_numbers(PRCLNet(r50()), golden["r50_torchvision"], (321,))


def test_numbers_of_resnet101(golden):
    check_numbers(PRCLNet(r101()), golden["r101_torchvision"], (321, 512, 513))
