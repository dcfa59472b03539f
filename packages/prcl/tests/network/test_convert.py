"""Checkpoints of the authors' code become the same network; everything else gives a sentence."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import vitrail
from vitrail.cli.main import run
from vitrail.errors import BrokenError, InputError, UsageError
from vitrail_prcl.config import PRCLConfig, r50
from vitrail_prcl.convert import ConvertOptions, convert
from vitrail_prcl.model import PRCLNet
from vitrail_prcl.plugin import R50, R101
from vitrail_segmentation.network_config import IMAGENET_MEAN, IMAGENET_STD
from vitrail_segmentation.palettes import get_palette


def published(network: PRCLNet) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The student's state dict and that of the head of the variances, as the authors' code names them."""
    state = network.state_dict()
    student = {
        name.replace("backbone.", "resnet_", 1): value
        for name, value in state.items()
        if not name.startswith("variance.")
    }
    head = {name[9:]: value for name, value in state.items() if name.startswith("variance.")}
    return student, head


def constant(tensors, value):
    """The same names and shapes, each tensor of one number repeated, which a file holds once."""
    return {name: torch.full((), value, dtype=t.dtype).expand(t.shape) for name, t in tensors.items()}


@pytest.fixture(scope="module")
def checkpoint():
    """What a checkpoint holds: names and shapes of the authors' code, few channels in the heads."""

    def make(classes=21, bands=3, backbone="resnet50"):
        with torch.device("meta"):
            config = PRCLConfig(
                backbone=backbone,
                classes=tuple(map(str, range(classes))),
                bands=bands,
                mean=(0.0,) * bands,
                std=(1.0,) * bands,
                width=8,
                low_width=4,
                embedding=6,
            )
            student, head = published(PRCLNet(config))
        return {
            "epoch": 61,
            "ema": constant(student, 2.0),
            "model": constant(student, 3.0),
            "uncer_head": constant(head, 4.0),
            "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"lr": 0.0032}]},
            "optimizer_uncer": {},
            "lr_scheduler": {"base_lrs": [0.0032], "_step_count": 62},
            "lr_scheduler_uncer": {},
        }

    return make


def test_the_whole_network_with_its_numbers(golden, tmp_path):
    torch.manual_seed(0)
    source = PRCLNet(r50()).train()
    with torch.no_grad():
        source(torch.randn(2, 3, 65, 65))
    student, head = published(source.eval())
    assert {name: list(value.shape) for name, value in student.items()} == golden["r50_torchvision"]["model"]
    centres = np.ones((21, 256), np.float32)
    torch.save(
        {
            "epoch": 3,
            "ema": {f"module.{name}": value for name, value in student.items()},
            "model": {},
            "uncer_head": {f"module.{name}": value for name, value in head.items()},
            "prototype_mu": centres,
            "prototype_sigma": centres,
        },
        tmp_path / "best.pth",
    )
    assert run(["convert", "prcl/r50", str(tmp_path / "best.pth"), "-o", str(tmp_path / "converted")]) == 0
    component = vitrail.load("prcl/r50", weights=tmp_path / "converted", device="cpu")
    assert component.config == r50()
    image = torch.randn(1, 3, 70, 45)
    with torch.no_grad():
        for ours, theirs in zip(component.module.measure(image), source.measure(image)):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize(("which", "value"), [("teacher", 2.0), ("student", 3.0)])
def test_teacher_or_student(checkpoint, which, value, tmp_path):
    torch.save(checkpoint(), tmp_path / "x.pth")
    component = convert(tmp_path / "x.pth", spec=R50, options=ConvertOptions(which=which))
    state = component.module.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            assert (tensor == (4.0 if name.startswith("variance.") else value)).all(), name
    config = component.config
    assert (config.width, config.low_width, config.embedding, config.output_stride) == (8, 4, 6, 16)


def test_counts_of_classes_and_bands_come_from_the_file(checkpoint, tmp_path):
    def converted(**options):
        torch.save(checkpoint(**options), tmp_path / "x.pth")
        return convert(tmp_path / "x.pth", spec=R50)

    cityscapes = converted(classes=19)
    assert cityscapes.classes == get_palette("cityscapes").classes
    assert cityscapes.config.palette == get_palette("cityscapes").colours
    assert (cityscapes.config.mean, cityscapes.config.std) == (IMAGENET_MEAN, IMAGENET_STD)
    own = converted(classes=3, bands=5)
    assert own.classes == ("class 0", "class 1", "class 2")
    assert (own.bands, own.config.mean[4]) == (5, pytest.approx(114.495))
    assert own.segment([np.full((32, 40, 5), 100, np.uint8)])[0].labels.shape == (32, 40)


def test_the_backbone_comes_from_the_file_and_has_to_be_that_of_the_id(checkpoint, tmp_path):
    torch.save(checkpoint(backbone="resnet101"), tmp_path / "x.pth")
    assert convert(tmp_path / "x.pth", spec=R101).config.backbone == "resnet101"
    with pytest.raises(
        UsageError, match=r"x\.pth has resnet101 .* prcl/r50 has resnet50; convert it as prcl/r101"
    ):
        convert(tmp_path / "x.pth", spec=R50)


def test_own_names_and_statistics(checkpoint, tmp_path):
    torch.save(checkpoint(classes=2), tmp_path / "two.pth")
    options = ConvertOptions(classes=("land", "water"), mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    config = convert(tmp_path / "two.pth", spec=R50, options=options).config
    assert (config.classes, config.mean, config.std) == (options.classes, options.mean, options.std)


def test_another_count_of_classes_needs_a_word(checkpoint, tmp_path):
    torch.save(checkpoint(), tmp_path / "x.pth")
    names = ("land", "water")
    with pytest.raises(UsageError, match=r"x\.pth has 21 classes and 2 names were given.*new_heads"):
        convert(tmp_path / "x.pth", spec=R50, options=ConvertOptions(classes=names))
    found = convert(tmp_path / "x.pth", spec=R50, options=ConvertOptions(classes=names, new_heads=True))
    classifier = found.module.classifier
    assert classifier[3].weight.shape == (2, 8, 1, 1)
    assert len(classifier[3].weight.unique()) > 2, "started anew"
    assert (classifier[0].weight == 2).all(), "from the file"


def test_a_file_without_variances_needs_a_word(checkpoint, tmp_path, capsys):
    save_file({name: t.contiguous() for name, t in checkpoint()["ema"].items()}, tmp_path / "x.safetensors")
    with pytest.raises(UsageError, match=r"holds no head of the variances .'uncer_head'.*new_heads"):
        convert(tmp_path / "x.safetensors", spec=R50)
    found = convert(tmp_path / "x.safetensors", spec=R50, options=ConvertOptions(new_heads=True))
    assert (found.module.classifier[3].weight == 2).all()
    assert len(found.module.variance.fc1.unique()) > 2
    assert (
        "x.safetensors: the teacher, resnet50, 21 classes; started anew: variance" in capsys.readouterr().err
    )


class Malicious:
    def __reduce__(self):
        return exec, ("import sys; sys.modules['a_file_was_executed'] = sys",)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(checkpoint, tmp_path):
    torch.save({**checkpoint(), "extra": Malicious()}, tmp_path / "bad.pth")
    with pytest.raises(InputError, match=r"bad\.pth asks for (\w+\.)?exec while it is read"):
        convert(tmp_path / "bad.pth", spec=R50)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(InputError, match="not a PyTorch checkpoint"):
        convert(tmp_path / "plain.pth", spec=R50)
    assert "a_file_was_executed" not in sys.modules


def test_the_deep_stem_is_refused(golden, tmp_path):
    shapes = golden["r101_stem"]["model"]
    network = {name: torch.ones(()).expand(shape) for name, shape in shapes.items()}
    torch.save({"ema": network, "model": network, "uncer_head": {}}, tmp_path / "stem.pth")
    with pytest.raises(InputError, match=r"stem\.pth is of the ResNet-101 with a deep stem.*not read here"):
        convert(tmp_path / "stem.pth", spec=R101)


def test_other_files_are_refused_in_a_sentence(checkpoint, tmp_path):
    def refused(name, write, error, words):
        write(tmp_path / name)
        with pytest.raises(error, match=words) as caught:
            convert(tmp_path / name, spec=R50)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)

    def refused_when(change, words):
        content = checkpoint()
        content["ema"] = dict(content["ema"])
        change(content)
        refused("changed.pth", lambda f: torch.save(content, f), InputError, words)

    with pytest.raises(UsageError, match="does not exist"):
        convert(tmp_path / "nothing.pth", spec=R50)
    refused("text.pth", lambda f: f.write_text("hello"), InputError, "not a PyTorch checkpoint")
    refused("short.safetensors", lambda f: f.write_bytes(b"123"), BrokenError, "not a whole safetensors file")
    refused("list.pth", lambda f: torch.save([torch.ones(1)], f), InputError, "holds a list")
    other = {"conv1.weight": torch.ones(64, 3, 7, 7), "fc.weight": torch.ones(1000, 2048)}
    refused("resnet.pth", lambda f: torch.save(other, f), InputError, "not a checkpoint of PRCL: it has no")
    torch.save(checkpoint(), tmp_path / "whole.pth")
    half = (tmp_path / "whole.pth").read_bytes()[:100_000]
    refused("half.pth", lambda f: f.write_bytes(half), InputError, "cut off or damaged")

    refused_when(lambda c: c.pop("ema"), r"holds model and uncer_head and no teacher \('ema'\)")
    refused_when(
        lambda c: c["ema"].pop("ASPP.convs.2.0.weight"), r"lacks ASPP\.convs\.2\.0\.weight; wanted is PRCL"
    )
    refused_when(lambda c: c["ema"].pop("resnet_conv1.weight"), "wanted is a whole ResNet-50 or")
    refused_when(lambda c: c["ema"].update(more=torch.ones(2)), "has more, which are not of it")
    refused_when(
        lambda c: c["ema"].update({"representation.0.weight": torch.ones(8, 9, 3, 3)}),
        r"representation\.0\.weight of shape \(8, 9, 3, 3\); wanted is \(8, 12, 3, 3\)",
    )
    refused_when(
        lambda c: c["ema"].update({"project.1.bias": torch.full((4,), torch.nan)}),
        r"project\.1\.bias that are not finite",
    )
    block = [name for name in checkpoint()["ema"] if name.startswith("resnet_layer3.5.")]
    refused_when(
        lambda c: [c["ema"].pop(name) for name in block], "3, 4, 5, 3 blocks; wanted is a whole ResNet-50 or"
    )
