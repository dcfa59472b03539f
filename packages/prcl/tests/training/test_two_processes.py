"""Two gloo processes: the global prototypes are the same on both, and those of one process that sees all images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from vitrail_training.testing import run_script
from vitrail_training.tracking import read_metrics

SCRIPT = Path(__file__).with_name("two_processes.py")


def prototypes(folder: Path, steps: int, processes: int) -> list[dict[str, torch.Tensor]]:
    out = folder / f"{processes}-{steps}"
    out.mkdir()
    run_script(SCRIPT, out, steps, processes=processes)
    losses = [line["contrast"] for line in read_metrics(out / "run") if "contrast" in line]
    assert len(losses) == steps
    assert all(loss > 0 for loss in losses)
    return [load_file(out / f"prototypes-{rank}.safetensors") for rank in range(processes)]


@pytest.mark.slow
def test_prototypes_are_those_of_all_pixels_together(tmp_path):
    (alone,) = prototypes(tmp_path, 1, processes=1)
    first, second = prototypes(tmp_path, 1, processes=2)
    assert (alone["count"] > 0).all()
    for name, wanted in alone.items():
        torch.testing.assert_close(first[name], wanted, rtol=1e-6, atol=1e-6)
        assert torch.equal(first[name], second[name])


@pytest.mark.slow
def test_they_stay_the_same_on_every_process(tmp_path):
    first, second = prototypes(tmp_path, 6, processes=2)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
