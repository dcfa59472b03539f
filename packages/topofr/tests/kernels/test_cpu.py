"""The compiled CPU loops: threads, and installs that cannot be written to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import vitrail_topofr
from vitrail_topofr.kernels.persistence import persistence


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def batch():
    points = torch.randn(5, 200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.stack(
        [torch.cdist(p, p, compute_mode="donot_use_mm_for_euclid_dist") for p in points]
    ).float()


def test_every_number_of_threads_gives_the_same(threads, batch):
    threads(1)
    edges, lengths = persistence(batch, backend="cpu")
    for count in (2, 3, 40):
        threads(count)
        many, same = persistence(batch, backend="cpu")
        assert torch.equal(edges, many)
        assert torch.equal(lengths, same)


def test_several_callers_at_once(threads, batch):
    from concurrent.futures import ThreadPoolExecutor

    threads(2)
    wanted = persistence(batch, backend="cpu")[0]
    with ThreadPoolExecutor(4) as callers:
        for edges, _ in callers.map(lambda x: persistence(x, backend="cpu"), [batch] * 8):
            assert torch.equal(edges, wanted)


PROGRAM = """
import torch
from vitrail_topofr.kernels.persistence import backends, persistence
x = torch.tensor([[0., 3, 1], [3, 0, 2], [1, 2, 0]])
assert backends.pick(x) == "cpu"
assert persistence(x)[0].tolist() == [[0, 2], [1, 2]]
from vitrail_topofr.kernels.persistence import cpu_kernels
print(cpu_kernels.__file__)
print(sum(cpu_kernels.prim.stats.cache_hits.values()))
"""


def run_installed(site: Path, home: Path) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG"))}
    path = os.pathsep.join([str(site), *(entry for entry in sys.path if entry)])
    environment |= {"PYTHONPATH": path, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.split()
    assert lines[0].startswith(str(site)), "the copy was not what ran"
    return lines


@pytest.fixture
def read_only_install(tmp_path):
    """A copy of the package in which no cache can be written beside the source, not even by root."""
    site = tmp_path / "site"
    source = Path(vitrail_topofr.__file__).parent
    copy = site / "vitrail_topofr"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    (copy / "kernels" / "persistence" / "__pycache__").write_text("in the way of a folder")
    return site


@pytest.mark.slow
def test_read_only_install_caches_in_the_users_folder(read_only_install, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    assert run_installed(read_only_install, home)[1] == "0"
    assert list(home.rglob("*.nbi"))
    assert run_installed(read_only_install, home)[1] == "1"  # loaded, not compiled again


@pytest.mark.slow
def test_read_only_install_and_no_home(read_only_install, tmp_path):
    home = tmp_path / "home"
    home.write_text("not a folder")
    assert run_installed(read_only_install, home)[1] == "0"
