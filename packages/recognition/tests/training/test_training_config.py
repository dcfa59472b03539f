"""Values that make no sense are refused; epochs become steps."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict

import pytest

from vitrail.component import from_dict
from vitrail.errors import UsageError
from vitrail_recognition.margins import ArcFace, CosFace
from vitrail_recognition.training import make_head, make_margin
from vitrail_recognition.training_config import FaceDataConfig, MarginConfig, in_steps
from vitrail_training.config import FitConfig


def test_epochs_become_steps():
    config = FaceDataConfig(epochs=10, warmup_epochs=2, eval_epochs=3, fit=FitConfig(batch_size=8, lr=0.5))
    fit = in_steps(config, samples=83)
    assert (fit.steps, fit.warmup, fit.eval_every, fit.checkpoint_every) == (100, 20, 30, 30)
    assert (fit.batch_size, fit.lr) == (8, 0.5)
    with pytest.raises(UsageError, match="7 training images, fewer than one batch of 8"):
        in_steps(config, samples=7)


def test_without_epochs_steps_stay_as_they_are():
    config = FaceDataConfig(fit=FitConfig(steps=7))
    assert in_steps(config, samples=1) is config.fit


def test_margins():
    assert make_margin(MarginConfig()) == ArcFace(margin=0.5, scale=64.0, gradient="true")
    assert make_margin(MarginConfig(kind="cosface", scale=30.0)) == CosFace(margin=0.4, scale=30.0)
    chosen = MarginConfig(margin=0.3, gradient="straight_through")
    assert make_margin(chosen) == ArcFace(margin=0.3, gradient="straight_through")
    assert make_margin(MarginConfig(margin=0.0)) == ArcFace(margin=0.0)


def test_a_head_is_what_the_config_says():
    head = make_head(MarginConfig(sample_rate=0.5, sparse_update=False, threshold=0.7), 9, 6, seed=3)
    classifier = head.classifier
    assert (classifier.classes, classifier.width, classifier.seed) == (9, 6, 3)
    assert (classifier.sample_rate, classifier.sparse_update, classifier.threshold) == (0.5, False, 0.7)
    assert head.margin == ArcFace()


def test_configs_are_plain_data():
    config = FaceDataConfig(verify=("a.bin", "b"), margin=MarginConfig(threshold=0.4))
    assert from_dict(FaceDataConfig, asdict(config), where="here") == config


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: MarginConfig(kind="sphere"), "kind is 'sphere'; wanted is one of arcface, cosface"),
        (
            lambda: MarginConfig(gradient="none"),
            "gradient is 'none'; wanted is one of true, straight_through",
        ),
        (lambda: MarginConfig(kind="cosface", gradient="straight_through"), "cosface has only the true one"),
        (lambda: MarginConfig(margin=-0.1), "margin is -0.1"),
        (lambda: MarginConfig(margin=3.2), "margin is 3.2; wanted is a number from 0 to below 3.142"),
        (lambda: MarginConfig(scale=0.0), "scale is 0.0"),
        (lambda: MarginConfig(sample_rate=0.0), "sample_rate is 0.0"),
        (lambda: MarginConfig(threshold=1.5), "threshold is 1.5"),
        (lambda: FaceDataConfig(flip=1.5), "flip is 1.5; wanted is a probability"),
        (lambda: FaceDataConfig(augment=-0.1), "augment is -0.1; wanted is a probability"),
        (lambda: FaceDataConfig(pairs=0), "pairs is 0"),
        (lambda: FaceDataConfig(epochs=-1), "epochs is -1"),
        (lambda: FaceDataConfig(eval_epochs=0), "eval_epochs is 0"),
        (lambda: FaceDataConfig(epochs=2, warmup_epochs=3), "warmup_epochs is 3 and the whole run 2 epochs"),
        (lambda: FaceDataConfig(fit=FitConfig(precision="fp16")), "fp16.*use bf16 or fp32"),
    ],
)
def test_wrong_values_are_refused(make, complaint):
    with pytest.raises(UsageError, match=complaint):
        make()


def test_configs_import_no_torch():
    program = "import sys, vitrail_recognition.training_config; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_would_be_dropped_is_refused():
    counted_in_steps = FaceDataConfig(epochs=2, fit=FitConfig(steps=100))
    with pytest.raises(UsageError, match=r"steps is 100, and follows from the 2 epochs.* set epochs to 0"):
        in_steps(counted_in_steps, samples=1000)
    with pytest.raises(UsageError, match="warmup is given in epochs, and the run in steps"):
        in_steps(FaceDataConfig(warmup_epochs=2), samples=1000)
