"""Two gloo processes train TopoFR as one does: shared-out class centres with momentum, shared-out verification."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from vitrail_training.tracking import read_metrics

SCRIPT = Path(__file__).with_name("two_processes.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def run(out, *arguments, processes):
    launcher = TORCHRUN if processes == 2 else []
    command = [sys.executable, *launcher, str(SCRIPT), str(arguments[0]), str(out), *map(str, arguments[1:])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    weights = {**load_file(out / "final" / "model.safetensors"), **load_file(out / "centres.safetensors")}
    lines = read_metrics(out)
    return weights, [line["loss"] for line in lines if "loss" in line], lines[-1]["evaluation"]


@pytest.mark.slow
def test_two_processes_equal_one(people, tmp_path):
    folder = people(tmp_path / "people", identities=5)  # centres that do not split evenly
    other = people(tmp_path / "other", identities=3, seed=1)
    alone, together = (run(tmp_path / f"{n}", folder, folder, other, processes=n) for n in (1, 2))
    assert alone[0].keys() == together[0].keys() >= {"weight", "features.weight"}
    assert alone[0]["weight"].shape == (5, 12)
    for name, value in alone[0].items():
        assert (value.double() - together[0][name].double()).abs().max() < 1e-5, name
    assert alone[1] == pytest.approx(together[1], abs=1e-5)
    assert alone[1][0] != alone[1][-1]
    assert together[2].keys() >= {"people/accuracy", "other/accuracy", "accuracy"}
    assert together[2] == pytest.approx(alone[2], abs=1e-3)
