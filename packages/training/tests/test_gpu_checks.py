from __future__ import annotations

import json
import sys

import pytest
import torch

from vitrail_training import gpu_checks

TESTS = """
import pytest

@pytest.mark.gpu
def test_good(): pass

@pytest.mark.gpu
@pytest.mark.skipif(True, reason="no GPU")
def test_skipped(): pass

@pytest.mark.gpu
def test_bad(): assert FAILS

def test_other(): raise RuntimeError("is not marked")
"""
SCRIPT = """
import argparse, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("word")
parser.add_argument("--out", type=pathlib.Path)
options = parser.parse_args()
options.out.write_text(options.word)
raise SystemExit(options.word == "bad")
"""


@pytest.fixture
def package(tmp_path):
    package = tmp_path / "packages" / "thing"
    for name in ("tests", "benchmarks"):
        (package / name).mkdir(parents=True)
    (package / "benchmarks" / "time_it.py").write_text(SCRIPT)
    (package / "pytest.ini").write_text("[pytest]\nmarkers = gpu: needs one\n")
    return package


@pytest.mark.parametrize("passes", [True, False])
def test_tests_are_run_and_recorded(package, tmp_path, passes):
    (package / "tests" / "test_it.py").write_text(TESTS.replace("FAILS", str(passes)))
    code = gpu_checks.run_tests(package / "tests", tmp_path / "record.json")
    assert (code == 0) == passes
    record = json.loads((tmp_path / "record.json").read_text())
    outcomes = {name.rpartition("::")[2]: test["outcome"] for name, test in record["tests"].items()}
    assert outcomes == {
        "test_good": "passed",
        "test_skipped": "skipped",
        "test_bad": "passed" if passes else "failure",
    }
    assert record["exit_code"] == code


@pytest.mark.parametrize(("word", "failed"), [("good", False), ("bad", True)])
def test_benchmarks_follow_and_a_failure_is_kept(package, tmp_path, monkeypatch, word, failed):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu_checks, "run_tests", lambda tests, record: 0)
    monkeypatch.setattr(sys, "argv", ["gpu_checks.py", "--out", str(tmp_path)])
    script = package / "benchmarks" / "gpu_checks.py"
    benchmarks = {"a.json": ("time_it.py", word), "b.json": ("time_it.py", "later")}
    assert bool(gpu_checks.main(script, benchmarks)) == failed
    assert (tmp_path / "a.json").read_text() == word
    assert (tmp_path / "b.json").read_text() == "later"


def test_without_a_gpu_it_says_so(package, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_checks.py"])
    with pytest.raises(SystemExit, match="needs an NVIDIA GPU"):
        gpu_checks.main(package / "benchmarks" / "gpu_checks.py", {})
