"""The presets say what the published runs said, and survive the way through flags and files."""

import inspect
from dataclasses import asdict, replace

import pytest

from vitrail.component import from_dict
from vitrail.errors import UsageError
from vitrail_cmunet import presets
from vitrail_cmunet.train_config import DataConfig, LossConfig, TrainConfig, in_steps
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_training.schedule import ends_within_a_cycle, learning_rate

PRESETS = [value for name, value in vars(presets).items() if inspect.isfunction(value) and value.__module__ == presets.__name__ and name[0] != "_"]  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("preset", PRESETS, ids=lambda f: f.__name__)
def test_presets_are_plain_data(preset):
    config = preset()
    assert isinstance(config, TrainConfig)
    assert from_dict(TrainConfig, asdict(config), where="here") == config
    assert config.fit.best_metric or config.data.whole_half  # nothing is held out then


def test_there_are_the_five_presets():
    assert [p.__name__ for p in PRESETS] == ["vaihingen", "potsdam", "loveda", "landsat", "landsat_reverse"]


@pytest.mark.parametrize("name", ["vaihingen", "potsdam"])
def test_isprs_runs_end_exactly_with_a_cosine_cycle(name):
    config = getattr(presets, name)()
    fit = in_steps(config, samples=1003)  # 125 whole batches an epoch, as with a loader that drops the last
    assert fit.steps == {"vaihingen": 105, "potsdam": 45}[name] * 125
    assert fit.eval_every == fit.checkpoint_every == 125
    assert ends_within_a_cycle(fit) is None
    cycle_starts = [15, 45] if name == "vaihingen" else [15]
    for epoch in [0, *cycle_starts]:
        assert learning_rate(fit, epoch * 125) == pytest.approx(6e-4)
    for epoch in [*cycle_starts, fit.steps // 125]:
        assert learning_rate(fit, epoch * 125 - 1) < 1e-7
    assert (fit.batch_size, fit.weight_decay, fit.seed, config.backbone_lr) == (8, 0.01, 42, 1)
    assert (fit.precision, fit.ema, fit.clip_norm, fit.warmup) == ("fp32", 0, 0, 0)
    assert config.augment == AugmentConfig(
        crop=512, mosaic=0.25, scales=(0.5, 0.75, 1.0, 1.25, 1.5), turns="rotate90"
    )
    assert config.loss == LossConfig(smoothing=0.05, average="all", dice=1, auxiliary=0.4)
    assert config.lookahead
    assert config.decay_scan


def test_loveda():
    config = presets.loveda()
    fit = in_steps(config, samples=2522)
    assert fit.steps == 105 * 157
    assert learning_rate(fit, 0) == pytest.approx(6e-4)
    assert learning_rate(fit, fit.steps) == pytest.approx(1e-6)
    assert (fit.batch_size, config.backbone_lr * fit.lr) == (16, pytest.approx(6e-5))
    assert config.augment.turns == "horizontal"
    assert config.augment.scales == (0.75, 1.0, 1.25, 1.5)
    assert len(config.model.classes) == 7


def test_nobody_chooses_by_test_data_unasked():
    for preset in PRESETS:
        assert not preset().data.published
    with pytest.raises(UsageError, match="no published way"):
        DataConfig(dataset="landsat", published=True)


def test_landsat_and_its_mirror_differ_in_direction_only():
    there, back = presets.landsat(), presets.landsat_reverse()
    assert back.data.reverse
    assert replace(back, data=there.data) == there


def test_steps_without_epochs_stay_as_they_are():
    config = presets.landsat()
    assert in_steps(config, samples=3) is config.fit
    with pytest.raises(UsageError, match="3 training images, fewer than one batch of 8"):
        in_steps(presets.potsdam(), samples=3)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: LossConfig(smoothing=1), "smoothing"),
        (lambda: LossConfig(average="some"), "average is 'some'"),
        (lambda: DataConfig(dataset="isaid"), "dataset is 'isaid'"),
        (lambda: DataConfig(length=0), "length is 0"),
        (lambda: TrainConfig(epochs=-1), "epochs is -1"),
    ],
)
def test_wrong_values_are_refused(make, complaint):
    with pytest.raises(UsageError, match=complaint):
        make()
