"""Two gloo processes train CM-UNet as one does: BatchNorm in eval mode, cross entropy and Dice summed over ranks."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from vitrail_training.testing import run_script
from vitrail_training.tracking import read_metrics

SCRIPT = Path(__file__).with_name("two_processes.py")


def run(folder, *flags, processes):
    out = folder / f"{processes}-{'-'.join(flags)}"
    run_script(SCRIPT, out, *flags, processes=processes)
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
