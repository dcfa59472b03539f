"""Two gloo processes under torchrun do what one does, with the same global batch."""

from __future__ import annotations

import time

import pytest
import torch
from safetensors.torch import load_file

from vitrail_training import FitConfig, distributed, fit
from vitrail_training.checkpoint import find_checkpoint, read_checkpoint
from vitrail_training.data import Order, positions
from vitrail_training.run import synchronise_norms
from vitrail_training.task import Task
from vitrail_training.testing import assert_same_run
from vitrail_training.tracking import read_metrics

FIT = {"steps": 12, "batch_size": 8, "lr": 0.01, "log_every": 1, "checkpoint_every": 6, "keep_checkpoints": 9}
EQUAL = {
    "mean": {"fit": {**FIT, "ema": 0.9, "clip_norm": 0.5}, "task": {"dropout": 0}},
    "accumulated": {"fit": {**FIT, "accumulate": 2}, "task": {"dropout": 0}},
    "unused": {"fit": FIT, "task": {"dropout": 0, "unused": True}},
    "dice": {"fit": FIT, "task": {"dropout": 0, "loss": "dice"}},
    "counted": {"fit": FIT, "task": {"dropout": 0, "loss": "counted"}},
    "frozen-batchnorm": {
        "fit": FIT,
        "task": {"dropout": 0, "batchnorm": True, "frozen": True, "loss": "dice"},
    },
}
OTHER = {
    "live-batchnorm": {"fit": FIT, "task": {"dropout": 0, "batchnorm": True}},
    "dropout": {"fit": FIT, "task": {"dropout": 0.5}},
    "skipping": {"fit": FIT, "task": {"bad": [3, 4, 5, 6, 7]}},
    "poisoned": {"fit": FIT, "task": {"poisoned": [13]}, "may_fail": True},
    "uneven": {"fit": {**FIT, "batch_size": 7}, "may_fail": True},
    "sums": {"check": "check_sums"},
    "errors": {"check": "check_errors", "may_fail": True},
}


@pytest.fixture(scope="module")
def two(tmp_path_factory, run):
    """(folder, stdout, stderr): all of the runs above, one after the other, under one torchrun."""
    folder = tmp_path_factory.mktemp("two")
    code, out, err = run(*((folder / name, told) for name, told in {**EQUAL, **OTHER}.items()), processes=2)
    assert code == 0, err
    return folder, out, err


def one(toy, told, out, **more):
    return fit(toy.RingTask(**told["task"]), FitConfig(**told["fit"]), out=out, **more)


def difference(first, second):
    """Largest absolute difference of the weights of two runs."""
    a, b = (load_file(run / "final" / "model.safetensors") for run in (first, second))
    return max((a[name].double() - b[name].double()).abs().max().item() for name in a)


@pytest.mark.parametrize("name", EQUAL)
def test_two_processes_equal_one(two, toy, tmp_path, name):
    folder, _, _ = two
    one(toy, EQUAL[name], tmp_path / "one")
    assert difference(folder / name, tmp_path / "one") < 1e-5
    losses = [
        [line["loss"] for line in read_metrics(run) if "loss" in line]
        for run in (folder / name, tmp_path / "one")
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert losses[0][0] != losses[0][-1]


def test_sums_are_needed_where_the_loss_is_no_mean_over_samples(two, toy, tmp_path, monkeypatch):
    """What the two processes would do without: the check above has something to find."""
    monkeypatch.setattr(distributed, "sum_across", lambda value: value)

    class Halves(toy.RingTask):
        def loss(self, model, batch, step):
            halves = (
                {name: value[half] for name, value in batch.items()} for half in (slice(0, 4), slice(4, 8))
            )
            return sum(super(Halves, self).loss(model, half, step) for half in halves) / 2

    fit(Halves(**EQUAL["dice"]["task"]), FitConfig(**FIT), out=tmp_path / "halves")
    assert difference(two[0] / "dice", tmp_path / "halves") > 1e-4


def test_live_batchnorm_differs_between_processes(two, toy, tmp_path):
    """Each process normalises by its own half of the batch, as the README says."""
    told = OTHER["live-batchnorm"]
    one(toy, told, tmp_path / "one")
    assert difference(two[0] / "live-batchnorm", tmp_path / "one") > 1e-4


def test_each_process_draws_its_own_dropout(two, toy, tmp_path):
    _, parts = read_checkpoint(find_checkpoint(two[0] / "dropout"))
    states = [state["torch"] for state in parts["rng"]]
    assert len(states) == 2
    assert not torch.equal(*states)


@pytest.mark.parametrize("name", ["mean", "dropout"])
def test_one_process_goes_on_where_two_were(two, toy, tmp_path, name, capfd):
    """The same samples from the same weights; where nothing else is random, the same end."""
    told = {**EQUAL, **OTHER}[name]
    checkpoint = two[0] / name / "checkpoints" / "step-000006"
    one(toy, told, tmp_path / "one", resume=checkpoint)
    assert "processes 2 -> 1" in capfd.readouterr().err
    lines = [line for line in read_metrics(tmp_path / "one") if "loss" in line]
    assert [line["step"] for line in lines] == list(range(7, 13))
    if name == "mean":
        assert difference(two[0] / name, tmp_path / "one") < 1e-5


def test_skipped_samples_are_counted_over_both(two, toy, tmp_path):
    folder, _, err = two
    one(toy, OTHER["skipping"], tmp_path / "one")
    counts = [read_metrics(run)[-2]["skipped"] for run in (folder / "skipping", tmp_path / "one")]
    assert counts[0] == counts[1] > 5
    assert "sample 4 is skipped. points/4.txt is cut off." in err


def test_a_bad_batch_of_either_process_is_named_on_both(two):
    _, out, _ = two
    order = Order(61, 0)
    step = next(step for step in range(12) if 13 in map(order, range(8 * step, 8 * step + 8)))
    place = next(place for place in range(8) if order(8 * step + place) == 13)
    half = [order(position) for position in positions(FitConfig(batch_size=8), step, 0, place // 4, 2)]
    expected = f"BrokenError: The loss is nan at step {step + 1}, in the batch of samples {', '.join(map(str, half))}."
    assert out.count(expected) == 2, out


def test_a_batch_that_does_not_split_is_refused_on_both(two):
    assert (
        two[1].count("UsageError: batch_size 7 does not split into 1 equal parts on each of 2 processes") == 2
    )


@pytest.mark.slow
def test_sigterm_to_torchrun_stops_both_at_the_same_step(two, tmp_path, start, run):
    told = OTHER["dropout"]
    out = tmp_path / "run"
    process = start((out, {**told, "task": {**told["task"], "sleep": 0.3}}), processes=2)
    deadline = time.monotonic() + 120
    while not (out / "metrics.jsonl").exists() or not (out / "metrics.jsonl").read_text().count("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Stopped by SIGTERM after step" in err, err
    code, _, err = run((out, {**told, "resume": "auto"}), processes=2)
    assert code == 0, err
    assert_same_run(two[0] / "dropout", out)


def test_positions_cover_each_batch_once():
    config = FitConfig(batch_size=24, accumulate=3)
    for world in (1, 2, 4):
        taken = [
            position
            for part in range(3)
            for rank in range(world)
            for position in positions(config, 5, part, rank, world)
        ]
        assert taken == list(range(120, 144))


def test_sum_across_gives_the_gradient_of_the_whole_batch(two):
    """See check_sums in toy.py, which runs on both processes."""
    assert two[1].count("sum_across is right") == 2


def test_an_error_on_the_first_process_reaches_all(two):
    assert two[1].count("InputError: a.tif is cut off.") == 2


def test_alone_nothing_is_exchanged():
    value = torch.tensor([1.0, 2.0], requires_grad=True)
    assert distributed.sum_across(value) is value
    assert distributed.gather_objects("a") == ["a"]
    assert (distributed.rank(), distributed.world()) == (0, 1)


@pytest.mark.parametrize(
    ("wanted", "processes", "device"),
    [(True, 2, "cuda"), (False, 2, "cuda"), (True, 1, "cuda"), (True, 2, "cpu")],
)
def test_norms_are_synchronised_over_several_gpus_where_wanted(monkeypatch, wanted, processes, device):
    monkeypatch.setattr(distributed, "world", lambda: processes)
    task = Task(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)), [])
    task.sync_batch_norm = wanted
    synchronise_norms(task, torch.device(device))
    expected = (wanted, processes, device) == (True, 2, "cuda")
    assert isinstance(task.model[1], torch.nn.SyncBatchNorm) == expected
