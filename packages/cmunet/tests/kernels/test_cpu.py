"""The compiled CPU loops: determinism, threads, and installs that cannot be written to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import vitrail_cmunet
from vitrail_cmunet.kernels.selective_scan.op import cross_scan_op
from vitrail_cmunet.kernels.selective_scan.sample import random_inputs
from vitrail_training.kernels.check import error_ratio


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def results(size: tuple[int, ...]) -> list[torch.Tensor]:
    """Output and gradients of the op itself: the projection before it is torch's and varies with the threads."""
    x, x_proj, *parameters = random_inputs(*size)
    projected = torch.randn(*x.shape[:3], 4 * x_proj.shape[1], generator=torch.Generator().manual_seed(1))
    inputs = [x, projected, *parameters]
    inputs = [tensor.requires_grad_() for tensor in inputs]
    y, _ = cross_scan_op(*inputs, 64, "cpu")
    y.backward((torch.arange(y.numel()) % 7 - 3.0).view(y.shape))
    return [y.detach(), *(tensor.grad for tensor in inputs)]


@pytest.mark.parametrize("size", [(1, 31, 33, 16, 16, 2), (2, 16, 17, 40, 5, 3)], ids=str)
def test_every_number_of_threads_gives_the_same(threads, size):
    """The same bits up to one thread for each scan; with more the sum over the states is cut."""
    threads(1)
    alone = results(size)
    scans = 4 * size[0] * -(-size[3] // 16)
    for count in (2, 3, scans, scans + 1, 40):
        threads(count)
        for one, many in zip(alone, results(size)):
            assert error_ratio(many, one) < 1e-5
            assert count > scans or torch.equal(many, one)


def test_the_same_bits_from_run_to_run(threads):
    threads(2)
    first = results((1, 40, 41, 32, 16, 4))
    for _ in range(3):
        for one, again in zip(first, results((1, 40, 41, 32, 16, 4))):
            assert torch.equal(one, again)


def test_several_callers_at_once(threads):
    from concurrent.futures import ThreadPoolExecutor

    threads(2)
    size = (1, 24, 24, 16, 16, 2)
    wanted = results(size)
    with ThreadPoolExecutor(4) as callers:
        for found in callers.map(results, [size] * 8):
            assert all(torch.equal(one, other) for one, other in zip(found, wanted))


PROGRAM = """
import torch
from vitrail_cmunet.kernels.selective_scan import backends, cross_scan
from vitrail_cmunet.kernels.selective_scan.sample import random_inputs
inputs = random_inputs(1, 3, 4, 16, 4, 2)
assert backends.pick(inputs[0]) == "cpu"
ratio = (cross_scan(*inputs) - cross_scan(*inputs, backend="reference")).norm() / inputs[0].norm()
assert ratio < 1e-5, ratio
from vitrail_cmunet.kernels.selective_scan import cpu_kernels
print(cpu_kernels.__file__)
print(sum(cpu_kernels.scan_forward.stats.cache_hits.values()))
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
    source = Path(vitrail_cmunet.__file__).parent
    copy = site / "vitrail_cmunet"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "weights", "data"))
    (copy / "kernels" / "selective_scan" / "__pycache__").write_text("in the way of a folder")
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
