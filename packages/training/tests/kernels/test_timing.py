"""Nothing is timed here: a clock that counts calls stands in for time."""

from __future__ import annotations

import json

import pytest

from vitrail_training.kernels import timing


def test_rivals_take_turns_and_the_median_is_reported(monkeypatch):
    clock, order = [0.0], []
    costs = {"slow": iter([9, 4, 4, 40, 4]), "fast": iter([9, 1, 3, 2, 100])}

    def rival(name):
        def call():
            order.append(name)
            clock[0] += next(costs[name]) / 1e3

        return call

    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    found = timing.compare({name: rival(name) for name in costs}, rounds=4, warmup=1)
    assert order == ["slow", "fast"] * 5
    assert found["slow"].median == pytest.approx(4.0)
    assert (found["fast"].median, found["fast"].fastest) == (pytest.approx(2.5), pytest.approx(1.0))
    assert timing.ratios(found, "slow")["fast"] == pytest.approx(2.5 / 4)


def test_the_record_holds_device_and_versions_and_is_whole_or_absent(tmp_path):
    path = tmp_path / "results" / "scan.json"
    timing.write_record(path, {"stages": [{"time": timing.Timing(1.0, 0.5, 2.0, 3)}]})
    record = json.loads(path.read_text())
    assert record["stages"][0]["time"]["median"] == 1.0
    assert record["machine"]["versions"]["torch"]
    assert record["machine"]["threads"] >= 1
    with pytest.raises(TypeError):
        timing.write_record(tmp_path / "results" / "bad.json", {"x": object()})
    assert [p.name for p in path.parent.iterdir()] == ["scan.json"]
