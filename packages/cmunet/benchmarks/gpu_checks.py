"""Everything of this package that needs a GPU, in one call: the tests marked `gpu`, then the benchmark.

    python packages/cmunet/benchmarks/gpu_checks.py [--out FOLDER]

Writes cmunet_gpu_tests.json and cmunet_scan_gpu.json to FOLDER (by default `benchmarks/results`). Exit code 0 only if
the tests passed and the benchmark ran.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import torch

from vitrail_training.kernels.timing import write_record

PACKAGE = Path(__file__).resolve().parents[1]
RESULTS = PACKAGE.parents[1] / "benchmarks" / "results"


def run_tests(out: Path) -> int:
    """Every test marked gpu; the record lists each with its outcome and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", str(PACKAGE / "tests"), "-q", "-p", "no:cacheprovider"]
        command += ["--import-mode=importlib", "-m", "gpu", f"--junit-xml={report}"]
        code = subprocess.run(command).returncode
        cases = ElementTree.parse(report).iter("testcase") if report.exists() else ()
        tests = {
            f"{case.get('classname')}::{case.get('name')}": {
                "outcome": next(
                    (child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed"
                ),
                "seconds": float(case.get("time", 0)),
            }
            for case in cases
        }
    write_record(out / "cmunet_gpu_tests.json", {"exit_code": code, "tests": tests}, device="cuda")
    return code


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("gpu_checks.py needs an NVIDIA GPU.")
    tests = run_tests(options.out)
    benchmark = [sys.executable, str(Path(__file__).with_name("scan_gpu.py"))]
    timed = subprocess.run([*benchmark, "--out", str(options.out / "cmunet_scan_gpu.json")]).returncode
    return tests or timed


if __name__ == "__main__":
    sys.exit(main())
