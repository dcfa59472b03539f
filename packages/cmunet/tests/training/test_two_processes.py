"""Two gloo processes train CM-UNet as one does: BatchNorm in eval mode, cross entropy and Dice summed over ranks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from vitrail_training.tracking import read_metrics

SCRIPT = Path(__file__).with_name("two_processes.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def run(folder, *flags, processes):
    launcher = TORCHRUN if processes == 2 else []
    out = folder / f"{processes}-{'-'.join(flags)}"
    command = [sys.executable, *launcher, str(SCRIPT), str(out), *flags]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    weights = load_file(out / "final" / "model.safetensors")
    return weights, [line["loss"] for line in read_metrics(out) if "loss" in line]


def difference(first, second):
    return max((first[name].double() - second[name].double()).abs().max().item() for name in first)


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    alone, losses = run(tmp_path, processes=1)
    together, others = run(tmp_path, processes=2)
    assert difference(alone, together) < 1e-5
    assert losses == pytest.approx(others, abs=1e-5)
    assert losses[0] != losses[-1]


@pytest.mark.slow
def test_with_live_batchnorm_they_differ(tmp_path):
    alone, _ = run(tmp_path, "live", processes=1)
    together, _ = run(tmp_path, "live", processes=2)
    assert difference(alone, together) > 1e-4
