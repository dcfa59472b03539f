"""Upstream checkpoints of every form give upstream's numbers; everything else gives a sentence."""

from __future__ import annotations

import argparse
import pickle
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import vitrail
from vitrail.cli.main import run
from vitrail.errors import BrokenError, InputError, UsageError
from vitrail_cmunet.config import ISPRS, LOVEDA, CMUNetConfig
from vitrail_cmunet.convert import HEADS, UNUSED, ConvertOptions, convert
from vitrail_cmunet.model import CMUNet
from vitrail_cmunet.plugin import RESNET18
from vitrail_segmentation.network_config import IMAGENET_MEAN, IMAGENET_STD


@pytest.fixture
def state(published):
    return dict(published.state_dict())


def checkpoint_of(classes: int, bands: int = 3) -> dict[str, torch.Tensor]:
    config = CMUNetConfig(
        classes=tuple(map(str, range(classes))),
        palette=(),
        bands=bands,
        mean=(0.0,) * bands,
        std=(1.0,) * bands,
    )
    return dict(CMUNet(config).state_dict())


def prefixed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


def test_lightning_checkpoint_converted_and_loaded_gives_upstreams_logits(
    state, golden, golden_image, tmp_path
):
    file = tmp_path / "epoch=104.ckpt"
    torch.save({"epoch": 104, "state_dict": prefixed(state, "net.mamba_unet."), "lr_schedulers": []}, file)
    assert run(["convert", "cmunet/resnet18", str(file), "-o", str(tmp_path / "converted")]) == 0
    component = vitrail.load("cmunet/resnet18", weights=tmp_path / "converted", device="cpu")
    with torch.no_grad():
        logits = component.module(golden_image(golden["H"], golden["W"]))
    for place, value in golden["samples"].items():
        k, y, x = map(int, place.split(","))
        assert logits[0, k, y, x].item() == pytest.approx(value, abs=1e-4), place
    assert component.classes == ISPRS.classes
    assert component.config.palette == ISPRS.colours


@pytest.mark.parametrize(
    "prefix", ["", "net.", "mamba_unet.", "module.", "module.net.mamba_unet.", "net.module."]
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_prefixes_in_any_mixture(state, prefix, suffix, tmp_path):
    file = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(prefixed(state, prefix), file)
    converted = convert(file, spec=RESNET18).module.state_dict()
    assert all(torch.equal(converted[name], tensor) for name, tensor in state.items())


def test_unused_parameters_and_counters_may_be_missing_and_others_may_be_there(state, tmp_path):
    unused = [name for name in state if UNUSED.fullmatch(name) or name.endswith("num_batches_tracked")]
    assert len(unused) == 2 + 3 + 6 + 20
    for name in unused:
        del state[name]
    state["loss.weight"] = torch.ones(3)
    torch.save(state, tmp_path / "lean.pth")
    converted = convert(tmp_path / "lean.pth", spec=RESNET18).module.state_dict()
    assert all(
        torch.equal(converted[name], tensor) for name, tensor in state.items() if name != "loss.weight"
    )


def test_counts_of_classes_and_bands_come_from_the_file(tmp_path):
    torch.save(checkpoint_of(classes=7), tmp_path / "loveda.pth")
    torch.save(checkpoint_of(classes=3, bands=4), tmp_path / "own.pth")
    loveda = convert(tmp_path / "loveda.pth", spec=RESNET18)
    own = convert(tmp_path / "own.pth", spec=RESNET18)
    assert loveda.classes == LOVEDA.classes
    assert (loveda.config.mean, loveda.config.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert own.classes == ("class 0", "class 1", "class 2")
    assert own.bands == 4
    assert own.config.mean == pytest.approx((114.495,) * 4)
    result = own.segment([np.full((32, 40, 4), 100, np.uint8)])[0]
    assert result.labels.shape == (32, 40)


def test_own_names_and_statistics(tmp_path):
    torch.save(checkpoint_of(classes=2), tmp_path / "two.pth")
    converted = convert(
        tmp_path / "two.pth",
        spec=RESNET18,
        options=ConvertOptions(classes=("land", "water"), mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)),
    )
    assert converted.classes == ("land", "water")
    assert converted.config.mean == (1.0, 2.0, 3.0)
    assert converted.config.std == (4.0, 5.0, 6.0)


def test_another_count_of_classes_needs_a_word(state, tmp_path):
    torch.save(state, tmp_path / "six.pth")
    with pytest.raises(UsageError, match=r"six\.pth has 6 classes and 2 names were given.*new_heads"):
        convert(tmp_path / "six.pth", spec=RESNET18, options=ConvertOptions(classes=("land", "water")))
    component = convert(
        tmp_path / "six.pth", spec=RESNET18, options=ConvertOptions(classes=("land", "water"), new_heads=True)
    )
    converted = component.module.state_dict()
    assert all(converted[name].shape[0] == 2 for name in HEADS)
    assert all(torch.equal(converted[name], state[name]) for name in state if name not in HEADS)


class Malicious:
    def __reduce__(self):
        return exec, ("import sys; sys.modules['a_file_was_executed'] = sys",)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(state, tmp_path):
    file = tmp_path / "bad.ckpt"
    torch.save({"state_dict": state, "extra": Malicious()}, file)
    with pytest.raises(InputError, match=r"bad\.ckpt asks for (\w+\.)?exec while it is read"):
        convert(file, spec=RESNET18)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(InputError, match="not a PyTorch checkpoint"):
        convert(tmp_path / "plain.pth", spec=RESNET18)
    assert "a_file_was_executed" not in sys.modules
    pickle.loads(pickle.dumps(Malicious()))  # the trap is a real one
    assert sys.modules.pop("a_file_was_executed")


def test_a_checkpoint_with_foreign_objects_says_what_to_do(state, tmp_path):
    torch.save({"state_dict": state, "hyper_parameters": argparse.Namespace(lr=1)}, tmp_path / "a.ckpt")
    with pytest.raises(InputError, match=r"argparse\.Namespace.*save its state dict alone"):
        convert(tmp_path / "a.ckpt", spec=RESNET18)


def test_other_files_are_refused_in_a_sentence(state, tmp_path):
    def refused(name, write, error, words):
        write(tmp_path / name)
        with pytest.raises(error, match=words) as caught:
            convert(tmp_path / name, spec=RESNET18)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)

    with pytest.raises(UsageError, match="does not exist"):
        convert(tmp_path / "nothing.pth", spec=RESNET18)
    refused("text.pth", lambda f: f.write_text("hello"), InputError, "not a PyTorch checkpoint")
    refused("empty.ckpt", lambda f: f.write_text(""), InputError, "not a PyTorch checkpoint")
    refused("short.safetensors", lambda f: f.write_bytes(b"123"), BrokenError, "not a whole safetensors file")
    refused(
        "list.pth",
        lambda f: torch.save([torch.ones(1)], f),
        InputError,
        "holds a list; wanted is a state dict",
    )
    other = {"conv1.weight": torch.ones(1), "fc.weight": torch.ones(1)}
    refused(
        "resnet.pth",
        lambda f: torch.save(other, f),
        InputError,
        "not a checkpoint of CM-UNet.*it has no backbone",
    )

    torch.save(state, tmp_path / "whole.pth")
    half = (tmp_path / "whole.pth").read_bytes()[:1_000_000]
    refused("half.pth", lambda f: f.write_bytes(half), InputError, "cut off or damaged")

    lacking = {name: tensor for name, tensor in state.items() if not name.startswith("layers_up.2.")}
    refused(
        "lacking.pth", lambda f: torch.save(lacking, f), InputError, r"lacks layers_up\.2\..* and \d+ more"
    )
    state["concat_back_dim.1.weight"] = torch.zeros(256, 500)
    refused("wide.pth", lambda f: torch.save(state, f), InputError, r"\(256, 500\); wanted is \(256, 512\)")
