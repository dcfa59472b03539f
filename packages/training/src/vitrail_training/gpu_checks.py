"""Everything of a package that needs a GPU, in one call: its tests marked `gpu`, then its benchmarks.

A package's `benchmarks/gpu_checks.py` says which benchmarks those are and calls `main`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import torch

from vitrail_training.kernels.timing import write_record

FAILED = ("failure", "error", "skipped")


def run_tests(tests: Path, record: Path) -> int:
    """Run every test below `tests` that is marked gpu, and write each one's outcome and seconds; pytest's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", str(tests), "-q", "-p", "no:cacheprovider"]
        command += ["--import-mode=importlib", "-m", "gpu", f"--junit-xml={report}"]
        code = subprocess.run(command).returncode
        cases = ElementTree.parse(report).iter("testcase") if report.exists() else ()
        found = {
            f"{case.get('classname')}::{case.get('name')}": {
                "outcome": next((child.tag for child in case if child.tag in FAILED), "passed"),
                "seconds": float(case.get("time", 0)),
            }
            for case in cases
        }
    write_record(
        record, {"exit_code": code, "tests": found}, device="cuda" if torch.cuda.is_available() else "cpu"
    )
    return code


def main(script: Path, benchmarks: Mapping[str, Sequence[object]]) -> int:
    """The command line of PACKAGE/benchmarks/gpu_checks.py, which passes its own `__file__`.

    benchmarks: the name of each record, and the script beside it with its arguments; each takes --out. The records go
    to `benchmarks/results` at the top of the repository, or to --out FOLDER. 0 only if the tests passed and all ran.
    """
    script = script.resolve()
    package = script.parents[1]
    parser = argparse.ArgumentParser(description=f"Check and time {package.name} on a GPU.")
    parser.add_argument("--out", type=Path, default=package.parents[1] / "benchmarks" / "results")
    out = parser.parse_args().out
    if not torch.cuda.is_available():
        raise SystemExit("gpu_checks.py needs an NVIDIA GPU.")
    worst = run_tests(package / "tests", out / f"{package.name}_gpu_tests.json")
    for record, (name, *arguments) in benchmarks.items():
        command = [sys.executable, str(script.with_name(str(name))), *map(str, arguments)]
        worst = subprocess.run([*command, "--out", str(out / record)]).returncode or worst
    return worst
