"""Training end to end on made-up people, with networks that take seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from vitrail.errors import UsageError
from vitrail.testing.suites import TrainSuite
from vitrail_recognition.evaluate import EvalConfig, evaluate
from vitrail_recognition.training import DRAWS, fit_recognizer
from vitrail_recognition.training_config import MarginConfig
from vitrail_recognition.training_data import open_training_faces
from vitrail_topofr.config import MethodConfig, TopoFRConfig, r50, r100
from vitrail_topofr.damage import alternating_signs, damage_weights, fit_mixture, random_signs
from vitrail_topofr.perturb import perturb
from vitrail_topofr.plugin import TINY
from vitrail_topofr.recognizer import TopoFRRecognizer
from vitrail_topofr.structure import structure_loss
from vitrail_topofr.train import TopoFRTask, train, variant
from vitrail_topofr.train_config import TrainConfig
from vitrail_training.config import FitConfig
from vitrail_training.draws import generator_for
from vitrail_training.testing import check_overfits_one_batch, check_resume_is_bit_equal
from vitrail_training.tracking import read_metrics

MODEL = TopoFRConfig(blocks=(1, 1, 1, 1), widths=(4, 6, 8, 10), embedding=12)
FIT = FitConfig(
    steps=4, batch_size=8, lr=0.05, weight_decay=5e-4, schedule="poly", power=2.0, clip_norm=5.0, log_every=1,
    device="cpu",
)  # fmt: skip
BY_EPOCHS = replace(FIT, steps=FitConfig().steps)
MARGIN = MarginConfig(scale=16.0, margin=0.2)


def small_run(folder, **changes) -> TrainConfig:
    values = {
        "data": str(folder),
        "method": MethodConfig(xi=0.6),
        "margin": MARGIN,
        "model": MODEL,
        "fit": FIT,
    }
    return TrainConfig(**{**values, **changes})


def make_task(config: TrainConfig) -> TopoFRTask:
    component = TopoFRRecognizer.from_config(config.model, spec=TINY, device="cpu", seed=1)
    return TopoFRTask(component, open_training_faces(config), config)


def ready_task(config: TrainConfig) -> TopoFRTask:
    """As it is inside `fit`: with its head."""
    task = make_task(config)
    task.optimizer(task.model, config.fit)
    task.train_mode()
    return task


def batch_of(task: TopoFRTask, count: int = 8) -> dict[str, torch.Tensor]:
    samples = [task.dataset.sample(2 * i, np.random.default_rng(i)) for i in range(count)]
    return task.collate(samples)


class TestTraining(TrainSuite):
    component = "topofr/tiny"

    @pytest.fixture(autouse=True)
    def _data(self, folder):
        self.folder = folder

    def config(self):
        return small_run(self.folder, fit=replace(FIT, steps=2))


def test_a_run(folder, tmp_path):
    config = small_run(folder, verify=(str(folder),), epochs=3, pairs=20, fit=BY_EPOCHS)
    result = train(config, out=tmp_path / "run")
    assert result.steps == 6
    assert set(result.metrics) >= {"four/accuracy", "four/AUC", "accuracy"}
    steps = [line for line in read_metrics(tmp_path / "run") if "loss" in line]
    assert [line["lr"] for line in steps] == pytest.approx([0.05 * (1 - t / 6) ** 2 for t in range(6)])
    for line in steps:
        assert line["norm"] > 0
        assert 0 < line["omega"] <= 2
        assert 0 < line["easy_share"] <= 0.5
        assert line["loss"] < 2 * line["cross_entropy"] + 0.1 * line["structure"] + 1e-4
    assert load_file(tmp_path / "run" / "centres.safetensors")["weight"].shape == (4, 12)
    component = TopoFRRecognizer.from_pretrained(result.weights, spec=TINY)
    assert component.config == MODEL
    report = evaluate(component, EvalConfig(data=(folder,), genuine=20, impostors=20))
    assert report["pairs"]["four"]["AUC"] == pytest.approx(result.metrics["four/AUC"])


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_a_run_ends_the_same_when_it_is_resumed(folder, tmp_path, fidelity):
    config = small_run(folder, method=MethodConfig(xi=0.6, fidelity=fidelity))
    check_resume_is_bit_equal(
        lambda: make_task(config), replace(FIT, accumulate=2 if fidelity == "paper" else 1), tmp_path
    )


def test_one_batch_can_be_learnt(folder, tmp_path):
    """The structure term has a floor of its own, so it is weighed little here."""
    config = small_run(folder, method=MethodConfig(xi=0.2, alpha=1e-3))
    fit = replace(FIT, steps=40, schedule="constant")
    check_overfits_one_batch(lambda: make_task(config), fit, tmp_path, factor=0.2)


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_the_loss_is_the_method_written_out(folder, fidelity):
    method = MethodConfig(xi=0.6, alpha=0.3, power=2.0, fidelity=fidelity)
    config = small_run(folder, method=method)
    task = ready_task(config)
    batch = batch_of(task)
    loss, logged = task.loss(task.model, batch, 3)
    loss.backward()
    found = {name: p.grad.clone() for name, p in task.model.named_parameters()}
    task.model.zero_grad()

    generator = generator_for(torch.device("cpu"), config.fit.seed, DRAWS, 0, 3, 0)
    views = perturb(batch["image"], generator=generator, xi=0.6, fidelity=fidelity)
    assert not torch.equal(views.images, batch["image"])
    embeddings = task.model(views.images)
    cosine = F.normalize(embeddings) @ F.normalize(task.head.classifier.weight.detach()).T
    hit = F.one_hot(batch["label"], 4).bool()
    logits = 16 * torch.where(hit, (cosine.acos() + 0.2).cos(), cosine)
    cross_entropy = F.cross_entropy(logits, batch["label"], reduction="none")
    entropy = torch.distributions.Categorical(logits=logits.detach()).entropy()
    signs = random_signs(8, generator=generator) if fidelity == "paper" else alternating_signs(8)
    mixture = fit_mixture(entropy, signs, fidelity=fidelity)
    omega = damage_weights(mixture.easy, (-cross_entropy).exp(), power=2.0, fidelity=fidelity)
    matching = "edges" if fidelity == "paper" else "sorted"
    structure = structure_loss(views.clean, embeddings, matching=matching)
    expected = (omega * cross_entropy).mean() + 0.3 * structure
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logged["structure"], structure.detach())
    torch.testing.assert_close(logged["norm"], embeddings.detach().norm(dim=1).mean())
    for name, parameter in task.model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=5e-3, atol=1e-3)


def test_the_alignments_weight_rises(folder):
    rising = MethodConfig(alpha=0.4, alpha_warmup=4, damage=False)
    assert [rising.at(step).alpha for step in (0, 1, 3, 9)] == pytest.approx([0.1, 0.2, 0.4, 0.4])
    task = ready_task(small_run(folder, method=rising))
    loss, logged = task.loss(task.model, batch_of(task), 1)
    torch.testing.assert_close(loss.detach(), logged["cross_entropy"] + 0.2 * logged["structure"])
    assert logged["structure"] > 0.1


def test_without_the_method_it_is_arcface(folder):
    task = ready_task(small_run(folder, method=MethodConfig(xi=0, alpha=0, damage=False)))
    batch = batch_of(task)
    loss, logged = task.loss(task.model, batch, 0)
    torch.testing.assert_close(loss, task.head(task.model(batch["image"]), batch["label"]))
    assert (logged["structure"], logged["omega"]) == (0, 1)


def test_draws_are_new_for_every_part_and_alike_in_a_resumed_run(folder):
    first, again = (ready_task(small_run(folder, method=MethodConfig(xi=1.0))) for _ in range(2))
    batch = batch_of(first)
    start = {name: value.clone() for name, value in first.model.state_dict().items()}
    losses = [first.loss(first.model, batch, step)[0] for step in (0, 0, 1)]
    assert len({loss.item() for loss in losses}) == 3
    assert torch.equal(again.loss(again.model, batch, 1)[0], losses[2])
    assert not torch.equal(start["bn1.running_mean"], first.model.bn1.running_mean)


def test_the_gain_of_the_last_batchnorm_is_trained_and_shrinks(folder, tmp_path):
    """Fresh embeddings are sqrt(12) long; images lie closer together than that."""
    config = small_run(folder, method=MethodConfig(alpha=1.0), fit=replace(FIT, steps=25, weight_decay=0))
    result = train(config, out=tmp_path / "run")
    gain = load_file(result.weights / "model.safetensors")["features.weight"]
    assert gain.mean() < 0.95
    norms = [line["norm"] for line in read_metrics(tmp_path / "run") if "norm" in line]
    assert norms[0] == pytest.approx(12**0.5, rel=0.2)
    assert norms[-1] < 0.8 * norms[0]


def test_in_bf16_loss_and_structure_stay_in_float32(folder, tmp_path):
    config = small_run(folder, fit=replace(FIT, steps=3, precision="bf16"))
    task = make_task(config)
    seen = []
    hook = task.model.layer1[0].conv1.register_forward_hook(
        lambda layer, given, made: seen.append(made.dtype)
    )
    wide = task.model.features.register_forward_hook(lambda layer, given, made: seen.append(made.dtype))
    fit_recognizer(task, config.fit, out=tmp_path / "run")
    hook.remove()
    wide.remove()
    assert seen == [torch.bfloat16, torch.float32] * 3


def test_optimizers(folder):
    config = small_run(folder)
    task = make_task(config)
    optimizer = task.optimizer(task.model, config.fit)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(task.model.parameters()))
    for each in (optimizer, task.centres.optimizer):
        assert isinstance(each, torch.optim.SGD)
        (group,) = each.param_groups
        assert (group["lr"], group["momentum"], group["weight_decay"], group["nesterov"]) == (
            0.05, 0.9, 5e-4, False,
        )  # fmt: skip
    spared = make_task(replace(config, decay_all=False))
    assert {g["weight_decay"] for g in spared.optimizer(spared.model, config.fit).param_groups} == {0.0, 5e-4}


def test_what_does_not_fit_is_said_before_training(folder, tmp_path):
    config = small_run(folder)
    with pytest.raises(UsageError, match="No training data was given"):
        train(replace(config, data=""), out=tmp_path / "a")
    with pytest.raises(UsageError, match="momentum is 1"):
        replace(config, momentum=1.0)
    assert not (tmp_path / "a").exists()


def test_verification_sets_are_looked_at_before_training(folder, tmp_path):
    config = small_run(folder)
    for changes, words in [
        ({"verify": (str(tmp_path / "nosuch.bin"),)}, "nosuch.bin"),
        ({"verify": (str(folder), str(folder))}, "several are called"),
        ({"fit": replace(FIT, best_metric="accuracy")}, "it needs a set, by --verify"),
        ({"verify": (str(folder),), "fit": replace(FIT, best_metric="lfw/accuracy")}, "it begins with"),
    ]:
        with pytest.raises(UsageError, match=words):
            train(replace(config, **changes), out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_the_name_that_a_network_is_saved_under():
    assert variant(r50()).id == "topofr/r50"
    assert variant(replace(r100(), dropout=0.1)).id == "topofr/r100"
    assert variant(MODEL).id == "topofr/tiny"
    assert variant(TopoFRConfig(blocks=(1, 1, 1, 1))).id == "topofr/r50"


@pytest.mark.slow
def test_it_learns_to_tell_people_apart(people, tmp_path):
    """Sixteen people; pictures that training has not seen. 1:1 accuracy, with the method and without."""
    folder = people(tmp_path / "train", identities=16, each=8)
    unseen = people(tmp_path / "unseen", identities=16, each=6, first=8)
    model = TopoFRConfig(blocks=(1, 1, 1, 1), widths=(8, 12, 16, 24), embedding=32)
    fit = replace(FIT, steps=200, batch_size=16, log_every=20)
    start = TopoFRRecognizer.from_config(model, spec=TINY, seed=fit.seed)
    before = evaluate(start, EvalConfig(data=(unseen,), genuine=200, impostors=200))
    assert before["pairs"]["unseen"]["accuracy"] < 0.95
    for name, method in {
        "topofr": MethodConfig(),
        "arcface": MethodConfig(xi=0, alpha=0, damage=False),
    }.items():
        config = small_run(folder, verify=(str(unseen),), pairs=200, model=model, fit=fit, method=method)
        result = train(config, out=tmp_path / name)
        losses = [line["loss"] for line in read_metrics(tmp_path / name) if "loss" in line]
        assert losses[-1] < 0.5 * losses[0]
        assert result.metrics["accuracy"] > 0.95
