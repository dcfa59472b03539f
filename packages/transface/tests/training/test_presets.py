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
from vitrail.errors import UsageError
from vitrail_recognition.training_config import in_steps
from vitrail_training.schedule import learning_rate
from vitrail_transface import presets
from vitrail_transface.config import TransFaceConfig, tiny, vit_l, vit_s
from vitrail_transface.model import TransFaceViT
from vitrail_transface.train_config import TrainConfig

IMAGES = {"ms1mv2": 5_822_653, "glint360k": 17_091_657}
PUBLISHED = {  # batch of all GPUs, learning rate, epochs, epochs of warm-up, network
    "ms1mv2_vit_s": (4096, 1e-3, 35, 3, vit_s),
    "ms1mv2_vit_l": (4096, 1e-3, 35, 3, vit_l),
    "glint360k_vit_s": (1024, 1e-4, 40, 4, vit_s),
    "glint360k_vit_l": (1024, 1e-4, 35, 3, vit_l),
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
    batch, lr, epochs, warmup_epochs, network = PUBLISHED[name]
    config = PRESETS[name]()
    assert config.model == network()
    assert (config.margin.kind, config.margin.value, config.margin.scale) == ("arcface", 0.5, 64)
    assert (config.margin.gradient, config.margin.sample_rate) == ("straight_through", 1.0)
    assert (config.dpap.tokens, config.dpap.probability, config.dpap.alpha) == (7, 0.2, 1.0)
    assert (config.ehsm.entropy, config.ehsm.gamma, config.ehsm.detach) == ("std", 1.0, True)
    assert config.mining
    assert config.decay_all
    assert config.flip == 0.5
    fit = in_steps(config, IMAGES[name.partition("_")[0]])
    epoch = IMAGES[name.partition("_")[0]] // batch
    assert (fit.batch_size, fit.steps, fit.warmup) == (batch, epochs * epoch, warmup_epochs * epoch)
    assert (fit.eval_every, fit.checkpoint_every) == (epoch, epoch)
    assert (fit.weight_decay, fit.clip_norm, fit.precision, fit.seed) == (0.1, 5.0, "bf16", 2048)
    assert 0 < learning_rate(fit, 0) < learning_rate(fit, 1), "no step of the warm-up is lost"
    assert learning_rate(fit, fit.warmup) == pytest.approx(lr)
    halfway = fit.warmup + (fit.steps - fit.warmup) // 2
    assert learning_rate(fit, halfway) == pytest.approx(lr / 4, rel=1e-3)
    assert learning_rate(fit, fit.steps - 1) < 1e-6 * lr


def test_tiny_is_tiny():
    config = presets.tiny()
    assert config.model == tiny()
    assert (config.model.dim, config.model.embedding) == (64, 128)
    state = TransFaceViT(config.model).state_dict()
    assert sum(2 * value.numel() for value in state.values()) < 4e6 - 50_000, "as fp16, with the names"


@pytest.mark.parametrize("name", ["ms1mv2_vit_l", "tiny"])
def test_print_config_round_trips(name, tmp_path, capsys):
    words = [
        "train",
        "transface",
        "--preset",
        name,
        "--data",
        "DIR",
        "--margin.threshold",
        "0.4",
        "--print-config",
    ]
    assert run(words) == 0
    (tmp_path / "run.toml").write_text(capsys.readouterr().out)
    assert run(["train", "transface", "--config", str(tmp_path / "run.toml"), "--print-config"]) == 0
    assert capsys.readouterr().out == (tmp_path / "run.toml").read_text()
    start = PRESETS[name]()
    wanted = replace(start, data="DIR", margin=replace(start.margin, threshold=0.4))
    assert wanted == starting_config(TrainConfig, presets_module="", preset=None, file=tmp_path / "run.toml")


def test_fp16_is_refused_at_once():
    config = presets.ms1mv2_vit_s()
    with pytest.raises(UsageError, match="fp16"):
        replace(config, fit=replace(config.fit, precision="fp16"))
    assert TransFaceConfig() == config.model


def test_a_component_without_a_preset_is_trained_as_it_is(capsys):
    assert run(["train", "transface/vit-l", "--data", "x", "--print-config"]) == 0
    printed = tomllib.loads(capsys.readouterr().out)
    assert printed["model"] == json.loads(json.dumps(asdict(vit_l())))
    assert run(["train", "transface/tiny", "--preset", "ms1mv2_vit_s", "--data", "x"]) == 2
    said = capsys.readouterr().err.replace("\n", " ")
    assert "transface/tiny was asked for, and the network of this config is that of transface/vit-s." in said
