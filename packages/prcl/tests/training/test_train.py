"""Training end to end on small pictures: seconds each."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_runs import CLASSES, MODEL, settings
from torch.utils.data import default_collate

import vitrail
from vitrail.errors import UsageError
from vitrail_prcl.data.training_set import open_training_set
from vitrail_prcl.plugin import R50
from vitrail_prcl.segmenter import PRCLSegmenter
from vitrail_prcl.task import PRCLTask
from vitrail_prcl.train import train
from vitrail_prcl.train_config import ContrastConfig, DataConfig, TrainConfig, UnlabeledConfig
from vitrail_training.config import FitConfig
from vitrail_training.loop import fit
from vitrail_training.testing import check_overfits_one_batch, check_resume_is_bit_equal
from vitrail_training.tracking import read_metrics

METHODS = {
    "supervised": {"semi": UnlabeledConfig(method="none"), "contrast": ContrastConfig(weight=0.0)},
    "mean teacher": {"semi": UnlabeledConfig(ramp=0, threshold=0.5), "contrast": ContrastConfig(weight=0.0)},
    "mean teacher of its own norms": {"semi": UnlabeledConfig(ramp=0, threshold=0.5, norms="own")},
    "fixmatch and PRCL": {"semi": UnlabeledConfig(method="fixmatch", ramp=0, threshold=0.5, mix="cutmix")},
    "PRCL alone": {"semi": UnlabeledConfig(method="none")},
}


def make_task(config: TrainConfig) -> PRCLTask:
    data = open_training_set(config)
    return PRCLTask(PRCLSegmenter.from_config(data.model, spec=R50, seed=0), data, config)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_saves_and_segments(folders, tmp_path, method):
    config = settings(folders, **METHODS[method])
    result = train(config, out=tmp_path / "run")
    assert 0 <= result.metrics["miou"] <= 1
    (line,) = [line for line in read_metrics(tmp_path / "run") if line.get("step") == 4 and "loss" in line]
    told = {"supervised", "loss"} & line.keys()
    assert told == {"supervised", "loss"}
    assert ("unsupervised" in line) == (config.semi.method != "none")
    assert ("contrast" in line) == (config.contrast.weight > 0)
    component = vitrail.load("prcl/r50", weights=result.weights)
    assert component.classes == ("class 0", "class 1", "class 2")
    labels = component.segment([np.zeros((20, 30, 3), np.uint8)])[0].labels
    assert labels.shape == (20, 30)


def test_it_learns_what_can_be_learnt(folders, tmp_path):
    fit_config = FitConfig(
        steps=80, batch_size=4, lr=1e-2, warmup=5, device="cpu", eval_every=0, checkpoint_every=0
    )
    result = train(settings(folders, fit=fit_config), out=tmp_path / "run")
    assert result.metrics["miou"] > 0.7, "one colour a class; all of one class have 0.11"


@pytest.mark.parametrize("method", ["mean teacher of its own norms", "fixmatch and PRCL"])
def test_resume_is_bit_equal(folders, tmp_path, method):
    config = settings(folders, **METHODS[method])
    fit_config = replace(config.fit, accumulate=2, batch_size=8)
    check_resume_is_bit_equal(lambda: make_task(config), fit_config, tmp_path)


def test_teacher_and_prototypes_are_taken_up_again(folders, tmp_path):
    config = settings(folders)
    task = make_task(config)
    fit(task, config.fit, out=tmp_path / "run")
    other = make_task(config)
    other.load_state_dict(task.state_dict())
    assert other.teacher.steps == 4
    assert torch.equal(other.contrast.memory.sums.precision, task.contrast.memory.sums.precision)
    assert other.contrast.memory.sums.count.sum() > 0


def test_what_is_saved_is_the_average(folders, tmp_path):
    config = settings(folders)
    task = make_task(config)
    result = fit(task, config.fit, out=tmp_path / "run")
    saved = vitrail.load("prcl/r50", weights=result.weights).module.state_dict()
    for name, value in task.teacher.network.state_dict().items():
        assert torch.equal(saved[name], value)
    own = task.component.module.state_dict()
    assert any(not torch.equal(value, own[name]) for name, value in saved.items())


def test_labelled_and_unlabelled_images_are_normalised_apart(folders):
    """What the network makes of labelled images does not depend on the unlabelled ones of the step."""
    task = make_task(settings(folders))
    task.train_mode()
    one, two, other = (
        torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(n)) for n in range(3)
    )
    together, with_another = task.model(one, two), task.model(one, other)
    assert len(together.logits) == 8
    assert torch.equal(together.logits[:4], with_another.logits[:4])
    assert not torch.equal(together.logits[4:], with_another.logits[4:])


def test_it_overfits_one_batch(folders, tmp_path):
    config = settings(folders, semi=UnlabeledConfig(method="none"), contrast=ContrastConfig(weight=0.0))
    check_overfits_one_batch(lambda: make_task(config), replace(config.fit, steps=60), tmp_path)


def test_the_variance_head_learns_slowly_and_the_backbone_as_told(folders):
    config = settings(folders)
    config = replace(config, optimizer=replace(config.optimizer, backbone_lr=0.1))
    task = make_task(config)
    rates = {
        id(parameter): group["lr"]
        for group in task.optimizer(task.model, config.fit).param_groups
        for parameter in group["params"]
    }
    for name, parameter in task.component.module.named_parameters():
        share = {"variance": 1 / 64, "backbone": 0.1}.get(name.split(".")[0], 1.0)
        assert rates[id(parameter)] == pytest.approx(config.fit.lr * share), name


def test_without_unlabelled_images_the_labelled_ones_are_used(folders):
    data = open_training_set(settings(folders, unlabeled=""))
    assert len(data) == 6
    sample = data.sample(0, np.random.default_rng(0))
    assert sample["unlabeled"].shape == sample["image"].shape == (3, 32, 32)
    assert sample["seen"].dtype == np.bool_
    assert sample["seen"].all()


def test_an_epoch_walks_through_the_larger_set(folders):
    data = open_training_set(settings(folders))
    assert len(data) == 10
    same = [data.sample(index, np.random.default_rng(0))["labels"] for index in (0, 1)]
    assert not np.array_equal(*same)


def test_bands_and_classes_come_from_the_data(folders):
    model = open_training_set(settings(folders)).model
    assert model.classes == ("class 0", "class 1", "class 2")
    assert model.mean == MODEL.mean, "three bands of uint8 are normalised by ImageNet's numbers"
    assert len(model.classes) == CLASSES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labeled": ""}, "no labelled images"),
        ({"labeled": "nowhere"}, "nowhere is neither a folder nor a file"),
        ({"validation": "", "fit": FitConfig(best_metric="miou")}, "no validation images"),
        ({"model": replace(MODEL, classes=("a", "b"))}, "the model has the classes a, b"),
    ],
)
def test_what_cannot_be_is_said(folders, tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        train(settings(folders, **changes), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_scene_that_comes_along_needs_no_other_images():
    with pytest.raises(UsageError, match=r"landsat brings its own images, so that A would not be read"):
        TrainConfig(labeled="A", data=DataConfig(dataset="landsat"))


@pytest.mark.parametrize(
    ("semi", "share"),
    [
        ({"ramp": 0}, 1.0),
        ({"ramp": 4}, math.exp(-5 * 0.5**2)),
        ({"ramp": 0, "weight": 0.5}, 0.5),
    ],
    ids=str,
)
def test_what_pseudo_labels_weigh(folders, semi, share):
    """At once, half-way of a ramp of four steps, and with a weight."""
    config = settings(
        folders,
        semi=UnlabeledConfig(threshold=0.0, **semi),
        contrast=ContrastConfig(weight=0.0),
    )
    data = open_training_set(config)
    task = PRCLTask(PRCLSegmenter.from_config(data.model, spec=R50, device="cpu", seed=0), data, config)
    samples = [data.sample(index, np.random.default_rng(index)) for index in range(4)]
    batch = default_collate(samples)
    total, told = task.loss(task.model.train(), batch, 2)
    wanted = told["supervised"] + share * told["unsupervised"]
    torch.testing.assert_close(total, wanted)


def test_an_average_of_its_own_is_refused():
    with pytest.raises(UsageError, match=r"fit\.ema is 0\.9"):
        TrainConfig(fit=FitConfig(ema=0.9))
