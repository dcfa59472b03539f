from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from vitrail.errors import UsageError
from vitrail_training.claims import Claim, Runs, judge, judge_all, variants_main, write_verdicts


def test_interval_is_scipys():
    rng = np.random.default_rng(1)
    with_it, without = rng.normal(0.5, 0.1, 7), rng.normal(0.4, 0.1, 7)
    found = judge(with_it, without, effect=0.0, draws=100_000)
    expected = stats.bootstrap(
        (with_it - without,), np.mean, method="percentile", n_resamples=100_000, rng=2
    ).confidence_interval
    assert found.low == pytest.approx(expected.low, abs=2e-3)
    assert found.high == pytest.approx(expected.high, abs=2e-3)
    assert found.mean == pytest.approx((with_it - without).mean())


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([0.10, 0.11, 0.12, 0.10, 0.09], "holds"),
        ([-0.10, -0.11, -0.12, -0.10, -0.09], "reversed"),
        ([0.03, 0.04, 0.03, 0.04, 0.03], "undecided"),  # above zero, and smaller than what counts
        ([0.30, -0.10, 0.20, -0.20, 0.30], "undecided"),
    ],
)
def test_verdicts(differences, verdict):
    assert judge(differences, [0.0] * 5, effect=0.05).verdict == verdict
    assert verdict in str(judge(differences, [0.0] * 5, effect=0.05))


@pytest.mark.parametrize(
    ("with_it", "without", "message"),
    [
        ([1.0] * 5, [1.0] * 4, "one pair a seed"),
        ([1.0] * 4, [1.0] * 4, "at least 5"),
        ([np.nan] * 5, [1.0] * 5, "finite"),
    ],
)
def test_what_cannot_be_judged(with_it, without, message):
    with pytest.raises(ValueError, match=message):
        judge(with_it, without, effect=0.1)


def test_a_run_is_done_once(tmp_path):
    runs, done = Runs(tmp_path / "new" / "runs.jsonl"), []

    def run():
        done.append(1)
        return {"score": 0.5}

    assert list(runs) == []
    for seed in (0, 1, 0):
        assert runs.once({"seed": seed}, run) == {"seed": seed, "score": 0.5}
    assert len(done) == 2
    assert len(list(runs)) == 2


def test_claims_are_judged_where_all_their_runs_are_there(tmp_path, capsys):
    runs = Runs(tmp_path / "runs.jsonl")
    for seed in (4, 0, 2, 1, 3):  # in any order
        runs.once({"task": "a", "trick": True, "seed": seed}, lambda n=seed: {"score": 0.2 * n + 0.5})
        runs.once({"task": "a", "trick": False, "seed": seed}, lambda n=seed: {"score": 0.2 * n})
    runs.once({"task": "b", "trick": True, "seed": 0}, lambda: {"score": 9.0})
    claims = {
        task: Claim(
            metric="score",
            with_it={"task": task, "trick": True},
            without={"task": task, "trick": False},
            effect=0.4,
        )
        for task in "ab"
    }
    verdicts = judge_all(runs, claims, range(5))
    assert list(verdicts) == ["a"]
    assert verdicts["a"].verdict == "holds"
    assert verdicts["a"].low == pytest.approx(0.5)  # paired by seed: every difference is one half
    assert "b  is not run yet" in capsys.readouterr().out


def test_verdicts_are_written(tmp_path):
    verdict = judge([1.0] * 5, [0.0] * 5, effect=0.1)
    path = write_verdicts(tmp_path / "claims.json", {"it helps": verdict}, {"device": "a CPU"})
    record = json.loads(path.read_text())
    assert record["device"] == "a CPU"
    assert record["verdicts"]["it helps"]["verdict"] == "holds"


def test_the_command_line_runs_what_is_missing_and_reports(tmp_path, monkeypatch, capsys):
    runs, done, reports = Runs(tmp_path / "claims_runs.jsonl"), [], []
    settings = {"a": {"lr": 1}, "b": {"lr": 2}}
    data, other = tmp_path / "data", tmp_path / "other"
    for folder, text in ((data, "abc"), (other, "abcd")):
        folder.mkdir()
        (folder / "file").write_text(text)

    def call(*words):
        monkeypatch.setattr("sys.argv", ["claims.py", *map(str, words)])
        variants_main(
            "What it is.",
            tmp_path / "claims.json",
            variants=["a", "b"],
            seeds=[0, 1],
            run=lambda variant, seed, data: done.append((variant, seed, data)) or {"score": seed},
            claims=lambda keys: reports.append(keys) or {},
            settings=settings.get,
        )

    call("run", data, "--seeds", "1", "--variants", "b")
    call("run", data)
    assert [each[:2] for each in done] == [("b", 1), ("a", 0), ("b", 0), ("a", 1)]
    assert {each[2] for each in done} == {data}
    call("report")
    (keys,) = reports
    assert [sum(line.items() >= keys[v].items() for line in runs) for v in ("a", "b")] == [2, 2]
    done.clear()
    settings["a"] = {"lr": 3}  # other settings are other runs, and so are other data
    call("run", data)
    assert [each[:2] for each in done] == [("a", 0), ("a", 1)]
    done.clear()
    call("run", other, "--variants", "b")
    assert [each[:2] for each in done] == [("b", 0), ("b", 1)]
    call("report", data)
    assert reports[-1]["b"] == keys["b"] != {**keys["b"], "data": list(runs)[-1]["data"]}
    assert reports[-1]["a"] != keys["a"]
    done.clear()
    call("run", data, "--name", "rendered")
    assert len(done) == 4, "a name has runs of its own"
    call("report", "--name", "rendered")
    assert len(json.loads((tmp_path / "claims_rendered.json").read_text())["runs"]) == 4
    with pytest.raises(SystemExit):
        call("run")
    assert "run needs the folder of data" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty holds no files"):
        call("run", tmp_path / "empty")
