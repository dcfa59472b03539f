"""Checkpoints of every form give the released numbers; everything else gives a sentence."""

from __future__ import annotations

import argparse
import json
import pickle
import sys

import pytest
import torch
from safetensors.torch import save_file

import vitrail
from vitrail.cli.main import run
from vitrail.errors import BrokenError, InputError, UsageError
from vitrail_topofr import convert as module
from vitrail_topofr.config import TopoFRConfig
from vitrail_topofr.convert import convert
from vitrail_topofr.model import IResNet
from vitrail_topofr.plugin import R18, R50, R100

SLIM = TopoFRConfig(blocks=(2, 2, 2, 2), widths=(4, 5, 6, 7), embedding=9)


@pytest.fixture
def slim(monkeypatch, fill):
    """R18, narrow for the time of a test: its state dict with five class centres."""
    monkeypatch.setattr(module, "default_config", lambda spec: SLIM)
    return fill({**IResNet(SLIM).state_dict(), "weight": torch.zeros(5, 9)})


def inner(state):
    return {name: value for name, value in state.items() if name != "weight"}


def test_released_checkpoint_converted_and_loaded_gives_the_released_numbers(
    published_state, golden_fill, golden_image, tmp_path, capsys
):
    file = tmp_path / "model.pt"
    torch.save(published_state, file)
    assert run(["convert", "topofr/r50", str(file), "-o", str(tmp_path / "converted")]) == 0
    told = capsys.readouterr().err
    assert "model.pt: an R50, trained on 100 classes, whose centres are left out" in " ".join(told.split())
    assert "weight" not in json.loads((tmp_path / "converted" / "config.json").read_text())["config"]
    component = vitrail.load("topofr/r50", weights=tmp_path / "converted", device="cpu")
    with torch.no_grad():
        found = component.module(golden_image)
    assert found[0, :8].tolist() == pytest.approx(golden_fill["emb_first8"], abs=1e-4)


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.backbone.", "model.module.", "net."])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_prefixes_in_any_mixture(slim, prefix, suffix, tmp_path):
    file = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)({prefix + k: v for k, v in slim.items()}, file)
    converted = convert(file, spec=R18).module.state_dict()
    assert list(converted) == list(inner(converted))
    assert all(torch.equal(converted[name], value) for name, value in inner(slim).items())


@pytest.mark.parametrize("key", ["state_dict", "state_dict_backbone", "model"])
def test_state_dicts_inside_of_checkpoints(slim, key, tmp_path):
    torch.save({"epoch": 3, "state_optimizer": {}, key: inner(slim)}, tmp_path / "c.pt")
    converted = convert(tmp_path / "c.pt", spec=R18).module.state_dict()
    assert torch.equal(converted["fc.weight"], slim["fc.weight"])


def test_insightface_checkpoints(slim, tmp_path, capsys):
    """No centres, and a last gain that is 1 for ever, or that a file leaves out."""
    state = {**inner(slim), "features.weight": torch.ones(9)}
    torch.save(state, tmp_path / "backbone.pth")
    del state["features.weight"]
    torch.save(state, tmp_path / "bare.pth")
    for name in ("backbone.pth", "bare.pth"):
        component = convert(tmp_path / name, spec=R18)
        assert component.module.state_dict()["features.weight"].tolist() == [1.0] * 9
        told = " ".join(capsys.readouterr().err.split())
        assert f"{name}: " in told
        assert "without class centres, the last gain fixed at 1 as in insightface" in told


def test_a_trained_gain_is_kept_and_told(slim, tmp_path, capsys):
    torch.save(slim, tmp_path / "t.pt")
    component = convert(tmp_path / "t.pt", spec=R18)
    assert torch.equal(component.module.state_dict()["features.weight"], slim["features.weight"])
    assert "the last gain trained" in " ".join(capsys.readouterr().err.split())


def test_counters_may_be_missing(slim, tmp_path):
    lean = {name: value for name, value in slim.items() if not name.endswith("num_batches_tracked")}
    assert len(lean) < len(slim)
    torch.save(lean, tmp_path / "lean.pt")
    assert torch.equal(
        convert(tmp_path / "lean.pt", spec=R18).module.state_dict()["bn2.bias"], slim["bn2.bias"]
    )


def test_another_variant_is_named(slim, monkeypatch, tmp_path):
    monkeypatch.undo()
    with torch.device("meta"):
        state = IResNet(TopoFRConfig(blocks=(3, 13, 30, 3))).state_dict()
    monkeypatch.setattr(module, "read_checkpoint", lambda path, **options: state)
    with pytest.raises(
        UsageError, match=r"a\.pt is an R100, and topofr/r50 is an R50; convert it as topofr/r100"
    ):
        convert(tmp_path / "a.pt", spec=R50)
    monkeypatch.setattr(module, "read_checkpoint", lambda path, **options: dict(slim))
    words = r"blocks \(2, 2, 2, 2\), widths \(4, 5, 6, 7\) and 9-d.*no such variant"
    with pytest.raises(UsageError, match=words):
        convert(tmp_path / "a.pt", spec=R100)


class Malicious:
    def __reduce__(self):
        return exec, ("import sys; sys.modules['a_file_was_executed'] = sys",)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(slim, tmp_path):
    torch.save({"state_dict": slim, "extra": Malicious()}, tmp_path / "bad.pt")
    with pytest.raises(InputError, match=r"bad\.pt asks for (\w+\.)?exec while it is read"):
        convert(tmp_path / "bad.pt", spec=R18)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(InputError, match="not a PyTorch checkpoint"):
        convert(tmp_path / "plain.pth", spec=R18)
    assert "a_file_was_executed" not in sys.modules
    pickle.loads(pickle.dumps(Malicious()))  # the trap is a real one
    assert sys.modules.pop("a_file_was_executed")


def test_a_checkpoint_with_foreign_objects_says_what_to_do(slim, tmp_path):
    torch.save({"state_dict": slim, "config": argparse.Namespace(lr=1)}, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"argparse\.Namespace.*save its state dict alone"):
        convert(tmp_path / "a.pt", spec=R18)


def test_other_files_are_refused_in_a_sentence(slim, tmp_path):
    def refused(name, write, error, words):
        write(tmp_path / name)
        with pytest.raises(error, match=words) as caught:
            convert(tmp_path / name, spec=R18)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)

    def saved(state):
        return lambda file: torch.save(state, file)

    with pytest.raises(UsageError, match="does not exist"):
        convert(tmp_path / "nothing.pt", spec=R18)
    refused("text.pt", lambda f: f.write_text("hello"), InputError, "not a PyTorch checkpoint")
    refused("empty.pt", lambda f: f.write_text(""), InputError, "not a PyTorch checkpoint")
    refused("short.safetensors", lambda f: f.write_bytes(b"123"), BrokenError, "not a whole safetensors file")
    refused("list.pt", saved([torch.ones(1)]), InputError, "holds a list; wanted is a state dict")
    other = {"conv1.weight": torch.ones(1), "fc.weight": torch.ones(1)}
    refused(
        "resnet.pt", saved(other), InputError, r"not a checkpoint of TopoFR.*it has no layer1\.0\.bn1\.weight"
    )
    torch.save(slim, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    refused("half.pt", lambda f: f.write_bytes(whole[: len(whole) // 2]), InputError, "cut off or damaged")

    lacking = {name: value for name, value in slim.items() if not name.startswith("layer2.1.bn3")}
    refused("lacking.pt", saved(lacking), InputError, r"lacks layer2\.1\.bn3.* and 1 more")
    staged = {name: value for name, value in slim.items() if not name.startswith("layer2.")}
    refused("staged.pt", saved(staged), InputError, "lacks a whole stage")
    refused(
        "more.pt",
        saved({**slim, "senet.0.weight": torch.ones(1)}),
        InputError,
        r"has senet\.0\.weight",
    )
    wide = {**slim, "layer1.1.conv1.weight": torch.zeros(4, 4, 1, 1)}
    refused("wide.pt", saved(wide), InputError, r"\(4, 4, 1, 1\); wanted is \(4, 4, 3, 3\)")
    large = {**slim, "fc.weight": torch.zeros(9, 7 * 64)}
    refused("large.pt", saved(large), InputError, r"fc\.weight of shape \(9, 448\); wanted is \(D, 343\)")
    nan = {**slim, "bn2.weight": torch.full((7,), torch.nan)}
    refused("nan.pt", saved(nan), InputError, r"numbers in bn2\.weight that are not finite")
    centres = {**slim, "weight": torch.zeros(5, 8)}
    refused("centres.pt", saved(centres), InputError, r"centres of shape \(5, 8\); wanted is \(classes, 9\)")


def test_a_refused_file_leaves_nothing_behind(tmp_path):
    (tmp_path / "text.pt").write_text("hello")
    assert run(["convert", "topofr/r50", str(tmp_path / "text.pt"), "-o", str(tmp_path / "out")]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["text.pt"]
