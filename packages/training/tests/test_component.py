from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from vitrail.errors import BrokenError, UsageError
from vitrail.interfaces import Component
from vitrail.specs import ComponentSpec
from vitrail_training import TorchComponent
from vitrail_training.weights import check_trained_on, weights_sha256, write_weights


@dataclass(frozen=True, kw_only=True)
class Config:
    width: int = 4
    bands: tuple[str, ...] = ("red", "green")


class Small(TorchComponent):
    config_class = Config

    @classmethod
    def build(cls, config):
        return nn.Sequential(
            nn.Conv2d(len(config.bands), config.width, 3), nn.BatchNorm2d(config.width), nn.Dropout()
        )


SPEC = ComponentSpec(id="small/conv", kind="segmenter", target="small:Small", summary="a test")


@pytest.fixture
def small():
    return Small.from_config(Config(), spec=SPEC, seed=3)


def same(one, other):
    pairs = zip(one.module.state_dict().values(), other.module.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_it_is_a_component_in_eval_mode(small):
    assert isinstance(small, Component)
    assert not small.module.training
    assert small.device == "cpu"
    assert small.to("cpu") is small


def test_a_seed_fixes_the_weights_and_disturbs_nobody(small):
    before = torch.get_rng_state()
    again = Small.from_config(Config(), spec=SPEC, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert same(again, small)
    assert not same(Small.from_config(Config(), spec=SPEC, seed=4), small)
    assert not same(Small.from_config(Config(), spec=SPEC), Small.from_config(Config(), spec=SPEC))


def test_saved_and_loaded(small, tmp_path):
    small.trained_on = {"avatars/base": "0" * 64}
    assert small.save_pretrained(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    loaded = Small.from_pretrained(tmp_path / "a" / "b", spec=SPEC)
    assert same(loaded, small)
    assert loaded.config == small.config
    assert loaded.trained_on == small.trained_on
    assert not loaded.module.training
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


@pytest.mark.parametrize(("dtype", "stored"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_short_weights_become_long_again(small, tmp_path, dtype, stored):
    small.save_pretrained(tmp_path, dtype=dtype)
    tensors = load_file(tmp_path / "model.safetensors")
    assert tensors["0.weight"].dtype == stored
    assert tensors["1.num_batches_tracked"].dtype == torch.int64
    loaded = Small.from_pretrained(tmp_path, spec=SPEC)
    assert loaded.module[0].weight.dtype == torch.float32
    assert torch.equal(loaded.module[0].weight, small.module[0].weight.to(stored).float())


def test_a_value_too_large_for_fp16_is_named(small, tmp_path):
    with torch.no_grad():
        small.module[1].running_var.fill_(1e5)
    with pytest.raises(UsageError, match=r"1.running_var holds 1e\+05, too large for fp16"):
        small.save_pretrained(tmp_path, dtype="fp16")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="dtype is 'int8'; wanted is one of fp32, fp16, bf16"):
        write_weights(tmp_path / "x.safetensors", small.module, "int8")


def change(folder, edit):
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.pop("0.bias"), "missing there: 0.bias. Use the config"),
        (lambda t: t.update(extra=torch.zeros(1)), "unknown here: extra"),
        (
            lambda t: t.update({"0.weight": torch.zeros(4, 3, 3, 3)}),
            r"0.weight is \(4, 3, 3, 3\) there and \(4, 2, 3, 3\) here",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(small, tmp_path, edit, message):
    small.save_pretrained(tmp_path)
    change(tmp_path, edit)
    with pytest.raises(BrokenError, match=message):
        Small.from_pretrained(tmp_path, spec=SPEC)


def test_files_that_are_not_there_or_not_whole(small, tmp_path):
    with pytest.raises(UsageError, match=r"holds no config\.json"):
        Small.from_pretrained(tmp_path, spec=SPEC)
    small.save_pretrained(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:100])
    with pytest.raises(
        BrokenError, match=r"model.safetensors is not a whole safetensors file .* Get it again"
    ):
        Small.from_pretrained(tmp_path, spec=SPEC)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"model\.safetensors does not exist"):
        Small.from_pretrained(tmp_path, spec=SPEC)
    config = json.loads((tmp_path / "config.json").read_text())
    config["id"] = "other/conv"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="holds weights of other/conv"):
        Small.from_pretrained(tmp_path, spec=SPEC)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("tpu-7", "'tpu-7' is no device"),
        ("cuda:99", "'cuda:99' was asked for, and"),
        ("mps", "'mps' was asked for"),
    ],
)
def test_a_device_that_is_not_there(small, device, message):
    with pytest.raises(UsageError, match=message):
        small.to(device)


@pytest.mark.gpu
def test_on_a_gpu(small, tmp_path):
    assert small.to("cuda").device == "cuda:0"
    small.save_pretrained(tmp_path)
    assert same(Small.from_pretrained(tmp_path, spec=SPEC, device="cuda"), small)


def test_trained_on_refuses_other_weights(small, tmp_path):
    small.save_pretrained(tmp_path / "base")
    user = Small.from_config(Config(), spec=SPEC, seed=5)
    user.trained_on = {"small/base": weights_sha256(tmp_path / "base")}
    user.save_pretrained(tmp_path / "user")
    check_trained_on(tmp_path / "user", {"small/base": tmp_path / "base", "small/else": tmp_path / "user"})
    user.save_pretrained(tmp_path / "base")
    with pytest.raises(
        UsageError, match=r"was trained on weights of small/base with SHA-256 \w{12}\.\.\., and .*base has"
    ):
        check_trained_on(tmp_path / "user", {"small/base": tmp_path / "base"})
    with pytest.raises(UsageError, match=r"holds no model\.safetensors"):
        weights_sha256(tmp_path)
