"""`vitrail train`, and what is done with what it leaves: eval, convert, export, bench."""

from __future__ import annotations

import json
import tomllib

import pytest


def test_train_from_a_preset_with_flags_over_it(run, tmp_path):
    run("train", "fake", "--preset", "thorough", "--steps", "7", "--out", "here")
    log = json.loads((tmp_path / "here" / "log.json").read_text())
    assert log == {"steps": 7, "rate": 0.1}
    config = json.loads((tmp_path / "here" / "final" / "config.json").read_text())
    assert config["config"] == {"thresholds": [50, 200]}


def test_train_by_the_name_of_a_component_and_without_anything(run, tmp_path, names):
    run("train", "fake/segmenter")
    assert names(tmp_path / "runs") == ["fake-segmenter"]
    run("train", "fake", "--preset", "quick")
    assert names(tmp_path / "runs") == ["fake-quick", "fake-segmenter"]


def test_train_resumes_only_when_asked(run):
    run("train", "fake", "--out", "here")
    assert "here exists already; add --resume" in run("train", "fake", "--out", "here", code=2).stderr
    run("train", "fake", "--out", "here", "--resume")


def test_the_printed_config_makes_the_same_config_again(run, tmp_path, names):
    first = run(
        "train", "fake", "--preset", "thorough", "--rate", "0.25", "--data", "a/b", "--print-config"
    ).stdout
    assert tomllib.loads(first) == {
        "steps": 20,
        "rate": 0.25,
        "data": "a/b",
        "model": {"thresholds": [50, 200]},
    }
    (tmp_path / "config.toml").write_text(first)
    assert run("train", "fake", "--config", "config.toml", "--print-config").stdout == first
    (tmp_path / "part.toml").write_text("steps = 3\n")
    over = run(
        "train", "fake", "--preset", "thorough", "--config", "part.toml", "--rate", "1", "--print-config"
    )
    assert tomllib.loads(over.stdout) == {"steps": 3, "rate": 1.0, "model": {"thresholds": [50, 200]}}
    assert names(tmp_path) == ["config.toml", "part.toml"]  # nothing was trained


def test_train_says_what_is_wrong(run, tmp_path, names):
    (tmp_path / "wrong.toml").write_text("step = 3\n")
    for words, code, text in [
        (("fake", "--preset", "slow"), 2, "There is no preset 'slow'; there are quick, thorough."),
        (
            ("fake", "--config", "wrong.toml"),
            2,
            "wrong.toml has step, which FakeTrainConfig does not know; it knows",
        ),
        (("fake", "--config", "gone.toml"), 2, "gone.toml does not exist; wanted is a TOML file"),
        (("fake", "--step", "3"), 2, "Unknown option: --step. Did you mean --steps?"),
        (("fake", "--steps", "x"), 2, 'unable to convert "x" into int'),
        (
            ("--steps", "3", "fake"),
            2,
            "--steps is not understood here; the name of a plugin or component comes first",
        ),
        (("fake/recognizer",), 2, "fake/recognizer offers no trainer: its authors have not written one."),
        (("talkingface",), 3, "talkingface is planned and cannot be installed yet"),
        (("nobody",), 2, "Nothing is known under the name 'nobody'."),
    ]:
        assert text in run("train", *words, code=code).stderr
    assert names(tmp_path) == ["wrong.toml"]


def test_eval(run, tmp_path):
    table = run("eval", "fake/segmenter", "--size", "30").stdout
    assert "pixels  900" in table
    assert any(line.startswith("bright ") for line in table.splitlines())
    report = json.loads(run("eval", "fake/segmenter", "--size", "30", "--json", "-o", "out").stdout)
    assert report["pixels"] == 900
    assert sum(row["share"] for row in report["classes"].values()) == pytest.approx(1)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report


def test_convert_then_use_the_weights(run, tmp_path, names):
    (tmp_path / "theirs.json").write_text('{"thresholds": [1, 2]}')
    done = run("convert", "fake/segmenter", "theirs.json", "-o", "ours")
    assert done.stderr == "Wrote ours. Use it as --weights ours.\n"
    report = json.loads(run("eval", "fake/segmenter", "--weights", "ours", "--json").stdout)
    assert report["classes"]["bright"]["share"] > 0.4  # nearly everything is brighter than 2
    again = run("convert", "fake/segmenter", "theirs.json", "-o", "ours", code=2)
    assert "ours exists already and is not an empty folder." in again.stderr
    assert names(tmp_path) == ["ours", "theirs.json"]


def test_convert_says_what_is_wrong(run, tmp_path, names):
    (tmp_path / "wrong.json").write_text("{}")
    for words, text in [
        (("fake/segmenter",), "No checkpoint was given. Write: vitrail convert fake/segmenter FILE -o DIR"),
        (("fake/segmenter", "wrong.json"), "No place to write was given."),
        (
            ("fake/segmenter", "gone.json", "-o", "x"),
            "gone.json is not a file; wanted is the checkpoint to convert.",
        ),
        (("fake/segmenter", "wrong.json", "-o", "x"), "wrong.json is not a checkpoint of fake/segmenter"),
        (
            ("fake/segmenter", "--no-strict", "wrong.json"),
            "--no-strict is not understood here; the checkpoint comes",
        ),
        (("fake/segmenter", "wrong.json", "-o", "x", "--nope"), "Unknown option: --nope."),
        (("fake/recognizer", "wrong.json", "-o", "x"), "fake/recognizer offers no converter"),
    ]:
        assert text in run("convert", *words, code=2).stderr
    assert names(tmp_path) == ["wrong.json"]


def test_export(run, tmp_path):
    done = run("export", "fake/segmenter", "--format", "json", "--check", "--json")
    assert json.loads(done.stdout) == {"file": "fake-segmenter.json", "checked": True}
    run("export", "fake/segmenter", "--format", "json", "-o", "deep/model.json")
    assert json.loads((tmp_path / "deep" / "model.json").read_text()) == {"thresholds": [85, 170]}
    assert "is exported as json, not as onnx." in run("export", "fake/segmenter", code=2).stderr
    assert "fake/animator offers no exporter" in run("export", "fake/animator", code=2).stderr


def test_bench(run):
    report = json.loads(run("bench", "fake/segmenter", "--size", "16", "--json").stdout)
    assert report["size"] == 16
    assert report["milliseconds"] > 0
    assert "milliseconds" in run("bench", "fake/segmenter").stdout
    assert "fake/recognizer offers no benchmark" in run("bench", "fake/recognizer", code=2).stderr
