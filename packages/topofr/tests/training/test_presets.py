"""The presets say what the published runs said, and survive the way through flags and files."""

from __future__ import annotations

import inspect
import json
import tomllib
from dataclasses import asdict, replace

import pytest

from vitrail.cli.flags import starting_config
from vitrail.cli.main import run
from vitrail.component import from_dict
from vitrail_recognition.training_config import in_steps
from vitrail_topofr import presets
from vitrail_topofr.config import r50, r100, r200, tiny
from vitrail_topofr.model import IResNet
from vitrail_topofr.train_config import TrainConfig
from vitrail_training.schedule import learning_rate

IMAGES = {"ms1mv2": 5_822_653, "glint360k": 17_091_657}
PUBLISHED = {  # epochs, weight decay, alpha, network
    "ms1mv2_r50": (30, 5e-4, 0.1, r50),
    "ms1mv2_r100": (25, 5e-4, 0.05, r100),
    "ms1mv2_r200": (30, 5e-4, 0.05, r200),
    "glint360k_r50": (25, 1e-4, 0.1, r50),
    "glint360k_r100": (25, 1e-4, 0.05, r100),
    "glint360k_r200": (30, 1e-4, 0.05, r200),
}
PRESETS = {
    name: value
    for name, value in vars(presets).items()
    if inspect.isfunction(value) and value.__module__ == presets.__name__ and name[0] != "_"
}


def test_there_are_the_published_runs_and_a_small_one():
    assert list(PRESETS) == [*PUBLISHED, "tiny"]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_plain_data(name):
    config = PRESETS[name]()
    assert isinstance(config, TrainConfig)
    assert from_dict(TrainConfig, asdict(config), where="here") == config


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_values(name):
    epochs, decay, alpha, network = PUBLISHED[name]
    config = PRESETS[name]()
    assert config.model == network()
    assert (config.margin.kind, config.margin.value, config.margin.scale) == ("arcface", 0.5, 64)
    assert (config.margin.gradient, config.margin.sample_rate) == ("true", 1.0)
    method = config.method
    assert (method.xi, method.alpha, method.power, method.fidelity) == (0.2, alpha, 1.0, "paper")
    assert method.damage
    assert not method.focal_gradient
    assert (config.momentum, config.decay_all, config.flip) == (0.9, True, 0.5)
    fit = in_steps(config, IMAGES[name.partition("_")[0]])
    epoch = IMAGES[name.partition("_")[0]] // 512
    assert (fit.batch_size, fit.steps, fit.warmup, fit.eval_every) == (512, epochs * epoch, 0, epoch)
    assert (fit.weight_decay, fit.clip_norm, fit.precision) == (decay, 5.0, "bf16")
    assert learning_rate(fit, 0) == 0.1
    assert learning_rate(fit, fit.steps // 2) == pytest.approx(0.025, rel=1e-3)


def test_tiny_is_tiny():
    config = presets.tiny()
    assert config.model == tiny()
    state = IResNet(config.model).state_dict()
    assert sum(2 * value.numel() for value in state.values()) < 4e6 - 50_000, "as fp16, with the names"


@pytest.mark.parametrize("name", ["glint360k_r100", "tiny"])
def test_print_config_round_trips(name, tmp_path, capsys):
    words = [
        "train",
        "topofr",
        "--preset",
        name,
        "--data",
        "DIR",
        "--margin.kind",
        "cosface",
        "--print-config",
    ]
    assert run(words) == 0
    (tmp_path / "run.toml").write_text(capsys.readouterr().out)
    assert run(["train", "topofr", "--config", str(tmp_path / "run.toml"), "--print-config"]) == 0
    assert capsys.readouterr().out == (tmp_path / "run.toml").read_text()
    start = PRESETS[name]()
    wanted = replace(start, data="DIR", margin=replace(start.margin, kind="cosface"))
    assert wanted == starting_config(TrainConfig, presets_module="", preset=None, file=tmp_path / "run.toml")


def test_a_component_without_a_preset_is_trained_as_it_is(capsys):
    assert run(["train", "topofr/r100", "--data", "x", "--print-config"]) == 0
    printed = tomllib.loads(capsys.readouterr().out)
    assert printed["model"] == json.loads(json.dumps(asdict(r100())))
    assert run(["train", "topofr/tiny", "--preset", "ms1mv2_r50", "--data", "x"]) == 2
    said = capsys.readouterr().err.replace("\n", " ")
    assert "topofr/tiny was asked for, and the network of this config is that of topofr/r50." in said
