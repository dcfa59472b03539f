"""Killed, stopped, resumed: the end is the same, bit for bit. Real processes, real signals."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import replace

import pytest

from vitrail_training import FitConfig, fit
from vitrail_training.checkpoint import find_checkpoint, list_checkpoints, read_checkpoint
from vitrail_training.stopping import StopSignals
from vitrail_training.testing import assert_same_run, check_resume_is_bit_equal

TOLD = {
    "fit": {
        "steps": 24,
        "batch_size": 8,
        "accumulate": 2,
        "lr": 0.01,
        "ema": 0.9,
        "clip_norm": 1.0,
        "workers": 2,
        "log_every": 3,
        "eval_every": 6,
        "checkpoint_every": 5,
        "best_metric": "accuracy",
    },
    "task": {"lookahead": True, "dropout": 0.2, "bad": [5]},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, run):
    """A run that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    code, _, err = run((out, TOLD))
    assert code == 0, err
    return out


def test_a_killed_run_ends_bit_equal(whole, tmp_path, forked):
    out = tmp_path / "run"
    kill_at = random.randrange(23)
    code, _ = forked((out, {**TOLD, "task": {**TOLD["task"], "kill_at": kill_at}}))
    assert code == -signal.SIGKILL, kill_at
    reached = find_checkpoint(out)
    assert (int(reached.name[5:]) if reached else 0) == kill_at // 5 * 5
    code, err = forked((out, {**TOLD, "resume": "auto"}))
    assert code == 0, err
    assert_same_run(whole, out)
    _same_weights(whole, out)


def test_a_run_killed_while_it_writes_a_checkpoint_goes_on_from_the_one_before(whole, tmp_path, forked):
    out = tmp_path / "run"
    code, _ = forked((out, {**TOLD, "die_in_rename": "step-000015"}))
    assert code == -signal.SIGKILL
    assert find_checkpoint(out).name == "step-000010"
    assert list((out / "checkpoints").glob(".*.part")), "the half-written folder should be there"
    code, err = forked((out, {**TOLD, "resume": "auto"}))
    assert code == 0, err
    assert_same_run(whole, out)
    assert not list(out.rglob(".*")), "nothing half-written is left"


def test_sigterm_to_the_whole_group_saves_and_stops(whole, tmp_path, start, forked):
    out = tmp_path / "run"
    process = start((out, {**TOLD, "task": {**TOLD["task"], "sleep": 0.2}}))
    wait_for = random.randrange(1, 5)
    log, deadline = out / "metrics.jsonl", time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") >= wait_for):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    saved = find_checkpoint(out)
    step = int(saved.name[5:])
    assert f"Stopped by SIGTERM after step {step} of 24, and saved {saved}." in err
    assert "Traceback" not in err
    code, err = forked((out, {**TOLD, "resume": str(out)}))
    assert code == 0, err
    assert f"Going on from {saved}, after step {step} of 24." in err
    assert_same_run(whole, out)
    _same_weights(whole, out)


def test_only_the_newest_checkpoints_stay(whole):
    assert [path.name for path in list_checkpoints(whole / "checkpoints")] == ["step-000020", "step-000024"]
    assert (whole / "checkpoints" / "last").read_text() == "step-000024\n"


def test_nothing_is_pickled(whole):
    suffixes = {path.suffix for path in whole.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".jsonl", ".safetensors", ""}
    _, parts = read_checkpoint(find_checkpoint(whole))
    assert set(parts) == {"model", "ema", "optimizer", "averages", "task", "rng"}
    assert set(parts["rng"][0]) >= {"python", "numpy", "torch"}
    assert parts["task"]["centres"].abs().sum() > 0


def test_ctrl_c_saves_and_stops_too(toy, tmp_path, capfd):
    class Impatient(toy.RingTask):
        def loss(self, model, batch, step):
            if step == 4:
                signal.raise_signal(signal.SIGINT)
            return super().loss(model, batch, step)

    config = FitConfig(steps=7, batch_size=6, eval_every=5, log_every=2)
    before = signal.getsignal(signal.SIGINT)  # ignored, where the tests run in the background
    with pytest.raises(SystemExit) as stopped:
        fit(Impatient(), config, out=tmp_path / "stopped")
    assert stopped.value.code == 130
    assert stopped.value.checkpoint == tmp_path / "stopped" / "checkpoints" / "step-000005"
    assert "Stopped by SIGINT after step 5 of 7" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before
    fit(toy.RingTask(), config, out=tmp_path / "stopped", resume="auto")
    fit(toy.RingTask(), config, out=tmp_path / "whole")
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")  # with the evaluation that was due after step 5


@pytest.mark.parametrize("at", [4, 7])
def test_an_evaluation_that_fails_costs_no_steps(toy, tmp_path, capfd, at):
    class Unlucky(toy.RingTask):
        def evaluate(self, model):
            if self.lately == at:
                raise OSError("the disk is gone")
            return super().evaluate(model)

        def after_step(self, step):
            self.lately = step + 1

    config = FitConfig(steps=7, batch_size=6, ema=0.8, eval_every=2, log_every=2)
    with pytest.raises(OSError, match="the disk is gone"):
        fit(Unlucky(), config, out=tmp_path / "failed")
    assert find_checkpoint(tmp_path / "failed").name == f"step-00000{at}"
    assert f"The evaluation after step {at} failed. Saved " in capfd.readouterr().err
    fit(toy.RingTask(), config, out=tmp_path / "failed", resume="auto")
    fit(toy.RingTask(), config, out=tmp_path / "whole")
    assert_same_run(tmp_path / "whole", tmp_path / "failed")


def test_a_second_ctrl_c_stops_at_once():
    with StopSignals() as signals:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # within a second it is the same one
        signals._since -= 2
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signals.received == signal.SIGINT


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("lookahead", [False, True])
def test_broken_off_in_this_process(toy, tmp_path, precision, lookahead):
    config = FitConfig(
        steps=7, batch_size=6, accumulate=3, ema=0.8, eval_every=2, precision=precision, lr=0.05
    )
    check_resume_is_bit_equal(lambda: toy.RingTask(lookahead=lookahead), config, tmp_path)


def test_the_check_notices_state_that_is_not_saved(toy, tmp_path):
    class Forgetful(toy.RingTask):
        def state_dict(self):
            return {"centres": self.centres if self.model[0].weight.sum() > 1e9 else self.centres * 0}

        def loss(self, model, batch, step):
            return super().loss(model, batch, step)[0] + 0.1 * (model(self.centres) ** 2).mean()

    config = FitConfig(steps=6, batch_size=6, lr=0.05)
    with pytest.raises(AssertionError, match="checkpoint/model"):
        check_resume_is_bit_equal(Forgetful, config, tmp_path)


def test_the_check_notices_randomness_that_is_not_the_samples_own(toy, tmp_path):
    class Careless(toy.Rings):
        calls = 0

        def sample(self, index, rng):
            self.calls += 1
            sample = super().sample(index, rng)
            return {**sample, "x": sample["x"] + 0.01 * self.calls}

    class Task(toy.RingTask):
        def __init__(self):
            super().__init__()
            self.dataset = Careless()

    with pytest.raises(AssertionError):
        check_resume_is_bit_equal(Task, FitConfig(steps=6, batch_size=6, lr=0.05), tmp_path)


def test_workers_and_evaluations_change_no_number(toy, tmp_path):
    config = FitConfig(steps=6, batch_size=6, lr=0.05, log_every=2)
    for name, more in {"plain": {}, "busy": {"workers": 2, "eval_every": 1, "checkpoint_every": 1}}.items():
        fit(toy.RingTask(), replace(config, **more), out=tmp_path / name)
    _same_weights(tmp_path / "plain", tmp_path / "busy", "final")


def _same_weights(one, other, *names):
    for name in names or ("best", "final"):
        path = f"{name}/model.safetensors"
        assert (one / path).read_bytes() == (other / path).read_bytes(), name
