"""Training end to end on made-up people, with networks that take seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file

from vitrail.errors import InputError, UsageError
from vitrail.testing.suites import TrainSuite
from vitrail_recognition.evaluate import EvalConfig, evaluate
from vitrail_recognition.training import DRAWS, fit_recognizer
from vitrail_recognition.training_config import MarginConfig
from vitrail_recognition.training_data import open_training_faces
from vitrail_training.checkpoint import find_checkpoint, read_checkpoint
from vitrail_training.config import FitConfig
from vitrail_training.draws import generator_for
from vitrail_training.testing import check_overfits_one_batch, check_resume_is_bit_equal
from vitrail_training.tracking import read_metrics
from vitrail_transface import train as train_module
from vitrail_transface.config import DPAPConfig, EHSMConfig, TransFaceConfig, vit_l, vit_s
from vitrail_transface.dpap import perturb
from vitrail_transface.ehsm import sample_weights
from vitrail_transface.plugin import TINY
from vitrail_transface.probe import probe_gates
from vitrail_transface.recognizer import TransFaceRecognizer
from vitrail_transface.train import TransFaceTask, train, variant
from vitrail_transface.train_config import TrainConfig

MODEL = TransFaceConfig(dim=16, depth=2, heads=2, embedding=12, gate_dim=6, drop_path=0.2, mask_ratio=0.1)
FIT = FitConfig(steps=4, batch_size=4, lr=1e-3, weight_decay=0.1, clip_norm=5.0, log_every=1, device="cpu")
BY_EPOCHS = replace(FIT, steps=FitConfig().steps)
MARGIN = MarginConfig(scale=16.0, margin=0.2, gradient="straight_through")


def small_run(folder, **changes) -> TrainConfig:
    values = {
        "data": str(folder),
        "dpap": DPAPConfig(probability=0.7),
        "margin": MARGIN,
        "model": MODEL,
        "fit": FIT,
    }
    return TrainConfig(**{**values, **changes})


def make_task(config: TrainConfig) -> TransFaceTask:
    component = TransFaceRecognizer.from_config(config.model, spec=TINY, device="cpu", seed=1)
    return TransFaceTask(component, open_training_faces(config), config)


def ready_task(config: TrainConfig) -> TransFaceTask:
    """As it is inside `fit`: with its head."""
    task = make_task(config)
    task.optimizer(task.model, config.fit)
    task.train_mode()
    return task


def batch_of(task: TransFaceTask, count: int = 8) -> dict[str, torch.Tensor]:
    samples = [task.dataset.sample(2 * i, np.random.default_rng(i)) for i in range(count)]
    return task.collate(samples)


class TestTraining(TrainSuite):
    component = "transface/tiny"

    @pytest.fixture(autouse=True)
    def _data(self, folder):
        self.folder = folder

    def config(self):
        return small_run(self.folder, fit=replace(FIT, steps=2))


def test_a_run(folder, tmp_path):
    config = small_run(folder, verify=(str(folder),), epochs=2, warmup_epochs=1, pairs=20, fit=BY_EPOCHS)
    result = train(config, out=tmp_path / "run")
    assert result.steps == 8
    assert set(result.metrics) >= {"four/accuracy", "four/std", "four/AUC", "accuracy"}
    lines = read_metrics(tmp_path / "run")
    steps = [line for line in lines if "loss" in line]
    assert [line["lr"] for line in steps[:5]] == pytest.approx([2e-4, 4e-4, 6e-4, 8e-4, 1e-3])
    assert [line["step"] for line in lines if "evaluation" in line] == [4, 8]
    for line in steps:
        assert 1 < line["eta"] <= 2
        assert -1 <= line["cosine"] <= 1
        assert line["norm"] > 0
        assert line["cross_entropy"] < line["loss"] <= 2 * line["cross_entropy"]
    centres = load_file(tmp_path / "run" / "centres.safetensors")
    assert {name: value.shape for name, value in centres.items()} == {"weight": (4, 12)}
    _, parts = read_checkpoint(find_checkpoint(tmp_path / "run"))
    assert torch.equal(parts["task"]["centres"]["weight"], centres["weight"])
    component = TransFaceRecognizer.from_pretrained(result.weights, spec=TINY)
    assert component.config == MODEL
    assert "weight" not in load_file(result.weights / "model.safetensors")
    report = evaluate(component, EvalConfig(data=(folder,), genuine=20, impostors=20))
    assert report["pairs"]["four"]["AUC"] == pytest.approx(result.metrics["four/AUC"])


@pytest.mark.parametrize("sample_rate", [1.0, 0.4])
def test_a_run_ends_the_same_when_it_is_resumed(people, tmp_path, sample_rate):
    folder = people(tmp_path / "people", identities=12, each=1)
    config = small_run(folder, margin=replace(MARGIN, sample_rate=sample_rate))
    check_resume_is_bit_equal(
        lambda: make_task(config), replace(FIT, accumulate=2, workers=int(sample_rate < 1)), tmp_path
    )


def test_one_batch_can_be_learnt(folder, tmp_path):
    config = small_run(folder)
    fit = replace(FIT, steps=40, batch_size=8, lr=3e-3)
    check_overfits_one_batch(lambda: make_task(config), fit, tmp_path, factor=0.3)


@pytest.mark.parametrize(
    "ehsm", [EHSMConfig(), EHSMConfig(detach=False, gamma=2.0)], ids=["detached", "live"]
)
def test_the_loss_is_the_method_written_out(folder, ehsm):
    """Gates of every image, the whole matrix of logits, the mean of eta times cross entropy."""
    config = small_run(folder, model=replace(MODEL, drop_path=0, mask_ratio=0), ehsm=ehsm)
    task = ready_task(config)
    batch = batch_of(task)
    loss, logged = task.loss(task.model, batch, 3)
    loss.backward()
    found = {name: p.grad.clone() for name, p in task.model.named_parameters() if p.grad is not None}
    task.model.zero_grad()

    gates = probe_gates(task.model, batch["image"])
    generator = generator_for(torch.device("cpu"), config.fit.seed, DRAWS, 0, 3, 0)
    images = perturb(batch["image"], gates, config=config.dpap, generator=generator)
    assert not torch.equal(images, batch["image"])
    output = task.model(images)
    cosine = F.normalize(output.embedding) @ F.normalize(task.head.classifier.weight.detach()).T
    hit = F.one_hot(batch["label"], 4).bool()
    logits = 16 * (cosine + torch.where(hit, (cosine.acos() + 0.2).cos() - cosine, 0).detach())
    cross_entropy = F.cross_entropy(logits, batch["label"], reduction="none")
    eta = sample_weights(output.spread, ehsm)
    expected = (eta * cross_entropy).mean()
    expected.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(logged["eta"], eta.mean())
    torch.testing.assert_close(logged["cosine"], cosine[hit].mean())
    for name, parameter in task.model.named_parameters():
        if name in found:
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-3, atol=1e-5)


def test_without_the_method_it_is_arcface(folder):
    config = small_run(
        folder, dpap=DPAPConfig(probability=0), mining=False, model=replace(MODEL, drop_path=0, mask_ratio=0)
    )
    task = ready_task(config)
    batch = batch_of(task)
    assert task.perturbed(batch["image"], 0) is batch["image"]
    loss, logged = task.loss(task.model, batch, 0)
    torch.testing.assert_close(loss, task.head(task.model(batch["image"]).embedding, batch["label"]))
    assert logged["eta"] == 1


def test_dpap_is_drawn_anew_for_every_part_and_alike_in_a_resumed_run(folder):
    first, again = (ready_task(small_run(folder)) for _ in range(2))
    images = batch_of(first)["image"]
    parts = [first.perturbed(images, step) for step in (0, 0, 1)]
    assert all(not torch.equal(parts[a], parts[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert torch.equal(again.perturbed(images, 1), parts[2])
    assert all(p.grad is None for p in first.model.parameters())
    assert first.model.training


def test_in_bf16_the_probe_is_too(folder, tmp_path):
    config = small_run(folder, fit=replace(FIT, steps=2, precision="bf16"))
    task = make_task(config)
    seen = []
    layer = task.model.blocks[0].attn.qkv
    hook = layer.register_forward_hook(
        lambda layer, given, made: seen.append((torch.is_grad_enabled(), made.dtype))
    )
    fit_recognizer(task, config.fit, out=tmp_path / "run")
    hook.remove()
    assert set(seen) == {(False, torch.bfloat16), (True, torch.bfloat16)}
    assert all(p.dtype == torch.float32 for p in task.model.parameters())


def test_only_what_will_be_perturbed_is_probed(folder, monkeypatch):
    task = ready_task(small_run(folder, dpap=DPAPConfig(probability=0.3)))
    images, probed = batch_of(task)["image"], []
    monkeypatch.setattr(
        train_module, "probe_gates", lambda net, some: probed.append(some) or probe_gates(net, some)
    )
    changed = task.perturbed(images, 0)
    differ = (changed != images).flatten(1).any(dim=1)
    assert 0 < differ.sum() < len(images)
    assert torch.equal(probed[0], images[differ])


def test_optimizers(folder):
    config = small_run(folder)
    task = make_task(config)
    groups = task.optimizer(task.model, config.fit).param_groups
    assert [(group["weight_decay"], group["lr"]) for group in groups] == [(0.1, 1e-3)]
    assert sum(len(group["params"]) for group in groups) == len(list(task.model.parameters()))
    (centres,) = task.centres.optimizer.param_groups
    assert (centres["weight_decay"], centres["lr"]) == (0.1, 1e-3)
    spared = make_task(replace(config, decay_all=False))
    assert {g["weight_decay"] for g in spared.optimizer(spared.model, config.fit).param_groups} == {0.0, 0.1}


def test_damaged_pictures_are_counted_or_stop_the_run(people, tmp_path):
    folder = people(tmp_path / "people")
    for number in range(2):
        (folder / "person01" / f"{number:02d}.png").write_bytes(b"no picture")
    Image.new("RGB", (96, 112)).save(folder / "person02" / "01.png")
    config = small_run(folder, fit=replace(FIT, steps=8))
    assert train(config, out=tmp_path / "run").skipped > 0
    with pytest.raises(InputError, match="cannot be read, and strict is set"):
        train(replace(config, fit=replace(config.fit, strict=True)), out=tmp_path / "strict")


def test_what_does_not_fit_is_said_before_training(folder, tmp_path):
    config = small_run(folder)
    with pytest.raises(UsageError, match="No training data was given"):
        train(replace(config, data=""), out=tmp_path / "a")
    with pytest.raises(UsageError, match="there are 16 training images, fewer than one batch of 32"):
        train(replace(config, epochs=1, fit=replace(BY_EPOCHS, batch_size=32)), out=tmp_path / "a")
    with pytest.raises(UsageError, match=r"model.gate is off.*set dpap.probability to 0"):
        replace(config, model=replace(MODEL, gate=False))
    assert not (tmp_path / "a").exists()


def test_a_plain_vit_can_be_trained_too(folder, tmp_path):
    config = small_run(folder, model=replace(MODEL, gate=False), dpap=DPAPConfig(probability=0))
    assert train(replace(config, fit=replace(FIT, steps=1)), out=tmp_path / "run").steps == 1


def test_other_settings_are_refused_and_moved_data_are_not(people, tmp_path):
    config = small_run(people(tmp_path / "here"))
    train(replace(config, fit=replace(FIT, steps=1)), out=tmp_path / "run")
    with pytest.raises(UsageError, match="mining was True and is now False"):
        train(replace(config, mining=False), out=tmp_path / "run", resume="auto")
    (tmp_path / "here").rename(tmp_path / "there")
    moved = replace(config, data=str(tmp_path / "there"), fit=replace(FIT, steps=2))
    assert train(moved, out=tmp_path / "run", resume="auto").steps == 2


def test_the_name_that_a_network_is_saved_under():
    assert variant(vit_s()).id == "transface/vit-s"
    assert variant(replace(vit_l(), drop_path=0.0)).id == "transface/vit-l"
    assert variant(MODEL).id == "transface/tiny"
    assert variant(TransFaceConfig(dim=384)).id == "transface/vit-s"


@pytest.mark.slow
def test_it_learns_to_tell_people_apart(people, tmp_path):
    """Sixteen people; pictures that training has not seen. 1:1 accuracy, with each part of the method and without."""
    folder = people(tmp_path / "train", identities=16, each=8)
    unseen = people(tmp_path / "unseen", identities=16, each=6, first=8)
    model = TransFaceConfig(dim=32, depth=2, heads=4, embedding=32, gate_dim=16, drop_path=0.0)
    fit = replace(FIT, steps=200, batch_size=16, lr=1e-3, warmup=10, weight_decay=0.05, log_every=20)
    start = TransFaceRecognizer.from_config(model, spec=TINY, seed=fit.seed)
    before = evaluate(start, EvalConfig(data=(unseen,), genuine=200, impostors=200))
    assert before["pairs"]["unseen"]["accuracy"] < 0.95
    for mining, probability in ((True, 0.2), (False, 0.0)):
        config = small_run(
            folder, verify=(str(unseen),), pairs=200, model=model, fit=fit, mining=mining,
            dpap=DPAPConfig(probability=probability),
        )  # fmt: skip
        out = tmp_path / f"run-{mining}"
        result = train(config, out=out)
        losses = [line["loss"] for line in read_metrics(out) if "loss" in line]
        assert losses[-1] < 0.2 * losses[0]
        assert result.metrics["accuracy"] > 0.95
