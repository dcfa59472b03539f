from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from vitrail.errors import BrokenError, InputError, UsageError
from vitrail_training import FitConfig, Task, fit
from vitrail_training.data import SAMPLE, Order, generator
from vitrail_training.testing import check_overfits_one_batch
from vitrail_training.tracking import TIMES, read_metrics

CONFIG = FitConfig(steps=6, batch_size=8, lr=0.02, log_every=1)


def weights(run):
    return load_file(run / "final" / "model.safetensors")


def difference(one, other):
    return max((value - weights(other)[name]).abs().max().item() for name, value in weights(one).items())


def test_accumulation_equals_the_big_batch(toy, tmp_path):
    for parts in (1, 2, 4):
        config = replace(CONFIG, accumulate=parts, clip_norm=0.3)
        fit(toy.RingTask(dropout=0), config, out=tmp_path / str(parts))
    for parts in (2, 4):
        assert difference(tmp_path / "1", tmp_path / str(parts)) < 1e-6
    for one, other in zip(read_metrics(tmp_path / "1"), read_metrics(tmp_path / "4"), strict=True):
        for name in ("loss", "accuracy", "grad_norm", "epoch"):
            assert one.get(name) == pytest.approx(other.get(name), abs=1e-6)


def test_it_does_what_the_same_loop_by_hand_does(toy, tmp_path):
    """AdamW, cosine, clipping, the average: written out once more in plain torch."""
    config = replace(CONFIG, clip_norm=0.3, ema=0.5, weight_decay=0.1)
    task = toy.RingTask(dropout=0)
    fit(task, config, out=tmp_path / "run")
    network, data, order = toy.network(dropout=0), toy.Rings(), Order(61, 0)
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    )
    average = {name: value.clone() for name, value in network.state_dict().items()}
    for step in range(6):
        rows = range(8 * step, 8 * step + 8)
        batch = [data.sample(order(place), generator(0, SAMPLE, place, 0)) for place in rows]
        x = torch.stack([torch.from_numpy(each["x"]) for each in batch])
        y = torch.tensor([each["y"] for each in batch])
        for group in optimizer.param_groups:
            group["lr"] = 0.02 * (1 + torch.cos(torch.tensor(torch.pi * step / 6)).item()) / 2
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(network(x)[:, 0], y).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.3)
        optimizer.step()
        for name, value in network.state_dict().items():
            decay = min(0.5, (1 + step) / (10 + step))
            average[name] = decay * average[name] + (1 - decay) * value
    for name, value in network.state_dict().items():
        torch.testing.assert_close(task.model.state_dict()[name], value, rtol=0, atol=1e-6)
        torch.testing.assert_close(weights(tmp_path / "run")[name], average[name], rtol=0, atol=1e-6)
    assert not task.model.training


def test_what_is_written(toy, tmp_path):
    config = replace(CONFIG, log_every=4, eval_every=3, best_metric="accuracy", clip_norm=1.0)
    result = fit(toy.RingTask(), config, out=tmp_path / "run")
    lines = read_metrics(tmp_path / "run")
    assert [(line["step"], "evaluation" in line) for line in lines] == [
        (3, True),
        (4, False),
        (6, False),
        (6, True),
    ]
    assert set(lines[1]) == {"step", "loss", "accuracy", "grad_norm", "lr", "epoch", "skipped", *TIMES}
    assert lines[1]["epoch"] == pytest.approx(4 * 8 / 61)
    told = json.loads((tmp_path / "run" / "fit.json").read_text())
    assert told["fit"]["batch_size"] == 8
    assert told["settings"] == {"loss": "mean"}
    assert told["environment"]["torch"] == torch.__version__
    summary = json.loads((tmp_path / "run" / "result.json").read_text())
    assert summary["weights"] == "best"
    assert (summary["best"], summary["best_step"]) == (result.best, result.best_step)
    assert result.best == max(line["evaluation"]["accuracy"] for line in lines if "evaluation" in line)
    assert result.weights == tmp_path / "run" / "best"
    assert result.metrics == lines[-1]["evaluation"]


def test_the_best_weights_are_those_of_the_best_step(toy, tmp_path):
    class Wavering(toy.RingTask):
        def evaluate(self, model):
            return {"score": -abs(3 - round(model.state_dict()["steps"].item()))}

        def __init__(self):
            super().__init__()
            self.model.register_buffer("steps", torch.zeros(()))

        def after_step(self, step):
            self.model.steps += 1

    for mode, step in (("max", 3), ("min", 6)):
        config = replace(CONFIG, eval_every=1, best_metric="score", best_mode=mode)
        result = fit(Wavering(), config, out=tmp_path / mode)
        assert result.best_step == step
        assert load_file(result.weights / "model.safetensors")["steps"] == step


def test_a_best_metric_that_is_not_there(toy, tmp_path):
    with pytest.raises(UsageError, match=r"best_metric is mIoU; evaluate\(\) gives accuracy, noise"):
        fit(toy.RingTask(), replace(CONFIG, best_metric="mIoU"), out=tmp_path / "run")
    with pytest.raises(UsageError, match=r"best_metric is mIoU, and Task has no evaluate\(\)"):
        fit(Task(toy.network(), toy.Rings()), replace(CONFIG, best_metric="mIoU"), out=tmp_path / "other")


def test_a_loss_that_is_not_finite_stops_with_step_and_samples(toy, tmp_path):
    config = replace(CONFIG, checkpoint_every=1, accumulate=2)
    order = Order(61, 0)
    place = 29  # in step 4, second half of the batch
    with pytest.raises(BrokenError) as caught:
        fit(toy.RingTask(poisoned=[order(place)]), config, out=tmp_path / "run")
    batch = ", ".join(str(order(position)) for position in range(28, 32))
    assert f"The loss is nan at step 4, in the batch of samples {batch}." in str(caught.value)
    assert "step-000003 is from before it" in str(caught.value)
    assert [line["step"] for line in read_metrics(tmp_path / "run")] == [1, 2, 3]


def test_a_gradient_that_is_not_finite_stops(toy, tmp_path):
    class Steep(toy.RingTask):
        def loss(self, model, batch, step):
            loss, _ = super().loss(model, batch, step)
            return loss + (loss - loss.detach()).sqrt() if step == 2 else loss  # its slope is infinite

        settings = {}

    class Steady(Steep):
        def loss(self, model, batch, step):
            return super().loss(model, batch, step if step != 2 else 3)

    with pytest.raises(BrokenError, match="The gradient is not finite at step 3, in the batch of samples "):
        fit(Steep(), replace(CONFIG, clip_norm=1.0), out=tmp_path / "steep")
    fit(Steady(), replace(CONFIG, clip_norm=1.0), out=tmp_path / "steady")


def test_unreadable_samples_are_counted_or_stop_the_run(toy, tmp_path, capfd):
    result = fit(toy.RingTask(bad=range(30)), CONFIG, out=tmp_path / "run")
    said = [line for line in capfd.readouterr().err.splitlines() if "is skipped" in line]
    assert result.skipped >= len(said) > 10
    assert read_metrics(tmp_path / "run")[-2]["skipped"] == result.skipped
    assert "is skipped. points/" in said[0]
    assert len(set(said)) == len(said)
    with pytest.raises(InputError, match="cannot be read, and strict is set: points/"):
        fit(toy.RingTask(bad=range(30)), replace(CONFIG, strict=True, workers=1), out=tmp_path / "strict")


def test_the_folder_of_another_run_is_refused(toy, tmp_path):
    out = tmp_path / "run"
    fit(toy.RingTask(), CONFIG, out=out)
    before = (out / "metrics.jsonl").read_bytes()
    with pytest.raises(UsageError, match=r"holds a run already \(fit.json, checkpoints, final\)"):
        fit(toy.RingTask(), CONFIG, out=out)
    fit(toy.RingTask(), CONFIG, out=tmp_path / "other")
    with pytest.raises(UsageError, match="holds another run than"):
        fit(toy.RingTask(), CONFIG, out=out, resume=tmp_path / "other")
    with pytest.raises(UsageError, match="holds no checkpoint to resume from"):
        fit(toy.RingTask(), CONFIG, out=tmp_path / "new", resume=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        fit(toy.RingTask(), CONFIG, out=tmp_path / "file")
    assert (out / "metrics.jsonl").read_bytes() == before
    assert not (tmp_path / "new").exists()


def test_a_run_that_cannot_begin_leaves_nothing(toy, tmp_path):
    class Odd(toy.RingTask):
        settings = {"net": object()}

        def __init__(self):
            Task.__init__(self, toy.network(), toy.Rings())

    with pytest.raises(UsageError, match="settings are not plain data"):
        fit(Odd(), CONFIG, out=tmp_path / "run")
    with pytest.raises(UsageError, match="The dataset is empty"):
        fit(toy.RingTask(count=0), CONFIG, out=tmp_path / "run")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        fit(toy.RingTask(), CONFIG, out=tmp_path / "file" / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_goes_on_elsewhere_keeps_its_own_best(toy, tmp_path):
    config = replace(CONFIG, eval_every=2, checkpoint_every=2, keep_checkpoints=9, best_metric="accuracy")
    fit(toy.RingTask(), config, out=tmp_path / "first")
    start = tmp_path / "first" / "checkpoints" / "step-000002"
    result = fit(toy.RingTask(), config, out=tmp_path / "second", resume=start)
    assert result.best_step >= 4
    assert (tmp_path / "second" / "best" / "model.safetensors").exists()
    assert len(list((tmp_path / "first" / "checkpoints").glob("step-*"))) == 3


def test_a_finished_run_resumes_to_the_same_result(toy, tmp_path):
    first = fit(toy.RingTask(), CONFIG, out=tmp_path / "run")
    log = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    again = fit(toy.RingTask(), CONFIG, out=tmp_path / "run", resume="auto")
    assert again == first
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == log


def test_resuming_may_change_some_things(toy, tmp_path, capfd):
    constant = replace(CONFIG, schedule="constant")
    fit(toy.RingTask(dropout=0), replace(constant, steps=4), out=tmp_path / "run")
    longer = replace(constant, accumulate=2, workers=1, log_every=2)
    fit(toy.RingTask(dropout=0), longer, out=tmp_path / "run", resume="auto")
    fit(toy.RingTask(dropout=0), constant, out=tmp_path / "whole")
    assert difference(tmp_path / "run", tmp_path / "whole") < 1e-6
    with pytest.raises(UsageError, match="beyond the 5 steps asked for"):
        fit(toy.RingTask(), replace(constant, steps=5), out=tmp_path / "run", resume="auto")


def test_going_back_to_an_earlier_checkpoint(toy, tmp_path):
    config = replace(CONFIG, checkpoint_every=2, keep_checkpoints=9)
    fit(toy.RingTask(), config, out=tmp_path / "run")
    wanted = weights(tmp_path / "run")
    checkpoints = tmp_path / "run" / "checkpoints"
    fit(toy.RingTask(), replace(config, steps=6), out=tmp_path / "run", resume=checkpoints / "step-000002")
    assert all(torch.equal(value, wanted[name]) for name, value in weights(tmp_path / "run").items())
    assert [line["step"] for line in read_metrics(tmp_path / "run") if "loss" in line] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("config", "task", "error", "message"),
    [
        (
            {"lr": 0.5, "batch_size": 4},
            {},
            UsageError,
            "batch_size was 8 and is now 4; lr was 0.02 and is now 0.5",
        ),
        ({"ema": 0.5}, {}, UsageError, "ema was 0.0 and is now 0.5"),
        ({}, {"loss": "dice"}, UsageError, "loss was 'mean' and is now 'dice'"),
        ({}, {"batchnorm": True}, BrokenError, "is of another network: missing there: 1.weight, 1.bias"),
        ({}, {"lookahead": True}, BrokenError, "is of another optimizer"),
        ({}, {"count": 60}, UsageError, "samples in the dataset was 61 and is now 60"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(toy, tmp_path, config, task, error, message):
    fit(toy.RingTask(), CONFIG, out=tmp_path / "run")
    with pytest.raises(error, match=message):
        fit(toy.RingTask(**task), replace(CONFIG, **config), out=tmp_path / "run", resume="auto")


def test_a_network_of_another_width_is_refused_with_the_shapes(toy, tmp_path):
    fit(toy.RingTask(), CONFIG, out=tmp_path / "run")
    task = toy.RingTask()
    task.model = toy.network(width=8)
    with pytest.raises(BrokenError, match=r"0.weight is \(16, 2\) there and \(8, 2\) here"):
        fit(task, CONFIG, out=tmp_path / "run", resume="auto")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_network_is_its_own_again(toy, tmp_path, precision):
    class Look(toy.RingTask):
        def loss(self, model, batch, step):
            self.seen = model[0](batch["x"]).dtype if precision == "fp32" else model(batch["x"]).dtype
            return super().loss(model, batch, step)

    task = Look()
    inner = []
    task.model[2].register_forward_hook(lambda module, args, output: inner.append(output.dtype))
    forward = type(task.model).forward
    fit(task, replace(CONFIG, precision=precision), out=tmp_path / "run")
    assert inner[0] == (torch.float32 if precision == "fp32" else torch.bfloat16)
    assert task.seen == torch.float32
    assert task.model.forward.__func__ is forward
    assert task.model(torch.zeros(1, 2)).dtype == torch.float32
    assert not torch.are_deterministic_algorithms_enabled()


def test_what_loss_may_return(toy, tmp_path):
    class Vector(toy.RingTask):
        def loss(self, model, batch, step):
            return model(batch["x"])[:, 0]

    class Changing(toy.RingTask):
        def loss(self, model, batch, step):
            loss, more = super().loss(model, batch, step)
            return loss, {**more, **({"late": loss} if batch["index"].sum() % 2 else {})}

    with pytest.raises(UsageError, match=r"loss\(\) gave loss as a tensor \(8,\)"):
        fit(Vector(), CONFIG, out=tmp_path / "vector")
    with pytest.raises(UsageError, match="must log the same values each time"):
        fit(Changing(), replace(CONFIG, accumulate=8), out=tmp_path / "changing")
    with pytest.raises(NotImplementedError, match=r"Task has no loss\(\)"):
        fit(Task(toy.network(), toy.Rings()), CONFIG, out=tmp_path / "none")


def test_state_that_cannot_be_kept_is_named(toy, tmp_path):
    class Odd(toy.RingTask):
        def state_dict(self):
            return {"queue": [{1, 2}]}

    with pytest.raises(UsageError, match="state of 'task' holds a set at queue/0"):
        fit(Odd(), CONFIG, out=tmp_path / "run")
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_device_that_is_not_there(toy, tmp_path):
    with pytest.raises(UsageError, match="precision is fp16, which needs a GPU"):
        fit(toy.RingTask(), replace(CONFIG, precision="fp16", device="cpu"), out=tmp_path / "run")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="torch finds no CUDA device here"):
            fit(toy.RingTask(), replace(CONFIG, device="cuda"), out=tmp_path / "run")


def test_a_schedule_that_is_cut_off_is_said(toy, tmp_path, capfd):
    fit(toy.RingTask(), replace(CONFIG, schedule="cosine-restarts", t0=2, t_mult=3), out=tmp_path / "run")
    assert "cut off within a cycle; 2 or 8 steps would end with one" in capfd.readouterr().err


def test_overfitting_one_batch(toy, tmp_path):
    config = FitConfig(steps=120, batch_size=8, lr=0.05, schedule="constant")
    check_overfits_one_batch(lambda: toy.RingTask(dropout=0), config, tmp_path)

    class Deaf(toy.RingTask):
        def loss(self, model, batch, step):
            return super().loss(model, {**batch, "x": batch["x"] * 0}, step)

    with pytest.raises(AssertionError, match="the loss went from"):
        check_overfits_one_batch(lambda: Deaf(dropout=0), replace(config, steps=20), tmp_path / "deaf")


def test_tensorboard(toy, tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    fit(toy.RingTask(), replace(CONFIG, tensorboard=True), out=tmp_path / "run")
    events = event_accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    assert [event.step for event in events.Scalars("evaluation/accuracy")] == [6]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_learns_and_resumes(toy, tmp_path, precision):
    from vitrail_training.testing import assert_same_run

    config = replace(
        CONFIG, precision=precision, device="cuda", deterministic=True, checkpoint_every=3, ema=0.9
    )
    fit(toy.RingTask(), config, out=tmp_path / "whole")
    fit(toy.RingTask(), replace(config, keep_checkpoints=9), out=tmp_path / "resumed")
    first = tmp_path / "resumed" / "checkpoints" / "step-000003"
    fit(toy.RingTask(), config, out=tmp_path / "resumed", resume=first)
    assert_same_run(tmp_path / "whole", tmp_path / "resumed")
