"""Runs of the training loop that change the number of processes when they resume."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vitrail_training.checkpoint import find_checkpoint, read_checkpoint
from vitrail_training.testing import run_script
from vitrail_training.tracking import read_metrics

SCRIPT = Path(__file__).with_name("fit_steps.py")


@pytest.mark.slow
@pytest.mark.parametrize("change", [(2, 1), (1, 2)], ids=["2-to-1", "1-to-2"])
def test_a_run_goes_on_with_other_processes(tmp_path, change):
    run_script(SCRIPT, tmp_path / "alone", 4)
    run_script(SCRIPT, tmp_path / "changed", 2, processes=change[0])
    run_script(SCRIPT, tmp_path / "changed", 4, processes=change[1])
    losses, ends = [], []
    for name in ("alone", "changed"):
        losses.append([line["loss"] for line in read_metrics(tmp_path / name) if "loss" in line])
        _, parts = read_checkpoint(find_checkpoint(tmp_path / name))
        centres = parts["task"]["centres"]
        ends.append({**parts["model"], "centres": centres["weight"], **centres["rows"]})
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert len(losses[0]) == 4
    assert ends[0].keys() == ends[1].keys() >= {"centres", "momentum_buffer"}
    for name, value in ends[0].items():
        torch.testing.assert_close(value, ends[1][name], rtol=1e-4, atol=1e-5)
