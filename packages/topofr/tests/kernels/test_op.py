"""The op against its reference by check_op, the choice of a backend, and wrong arguments."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from vitrail.errors import InputError, VitrailError
from vitrail_topofr.kernels.persistence import backends, doctor, persistence
from vitrail_training.kernels.check import Case, check_op


def matrices(batch: int, n: int, dtype=torch.float32, seed: int = 0) -> torch.Tensor:
    """Distances of random points, (B, n, n), exactly symmetric."""
    points = torch.randn(batch, n, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (points[:, :, None] - points[:, None]).norm(dim=-1).to(dtype)


def lengths_of(backend: str):
    def lengths(distances):
        return persistence(distances, backend=backend)[1]

    lengths.__name__ = f"lengths[{backend}]"
    return lengths


def by_definition(distances):
    """Kruskal with a table of components; autograd through the entries it reads."""
    n = distances.shape[1]
    found = []
    for matrix in distances:
        component, edges = list(range(n)), []
        order = sorted((matrix[i, j].item(), i, j) for i in range(n) for j in range(i + 1, n))
        for _, i, j in order:
            if component[i] != component[j]:
                old = component[j]
                component = [component[i] if c == old else c for c in component]
                edges.append(matrix[i, j])
        found.append(torch.stack(edges) if edges else matrix.new_zeros(max(n - 1, 0)))
    return torch.stack(found) if found else distances.sum() + distances.new_zeros(0, max(n - 1, 0))


CASES = [
    Case("B3-n7", (matrices(3, 7),)),
    Case("B2-n16", (matrices(2, 16),)),
    Case("B1-n33", (matrices(1, 33),)),
    Case("pair", (matrices(1, 2),)),
    Case("B2-n4", (matrices(2, 4),)),
    Case("no-matrices", (matrices(0, 5),)),
]


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_op(backend):
    check_op(lengths_of(backend), by_definition, CASES, double=backend == "reference")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_compares_its_own_numbers(dtype):
    distances = matrices(2, 20, dtype)
    edges, lengths = persistence(distances, backend="cpu")
    wanted_edges, wanted = persistence(distances.double(), backend="reference")
    assert lengths.dtype == dtype
    assert torch.equal(edges, wanted_edges)
    assert torch.equal(lengths.double(), wanted)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_no_points_and_one_point(backend):
    for n in (0, 1):
        edges, lengths = persistence(torch.zeros(n, n), backend=backend)
        assert (edges.shape, lengths.shape) == ((0, 2), (0,))


def test_auto_uses_the_compiled_loops_on_a_cpu(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    x = torch.zeros(1, 2, 2)
    assert backends.pick(x) == "cpu"
    assert backends.pick(x.double()) == "reference"
    assert next(line.level for line in doctor()) == "ok"


def test_what_is_asked_for_and_cannot_run_is_an_error(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    x = matrices(1, 4)
    for name, reason in [("triton", "needs a CUDA device"), ("fast", "unknown")]:
        monkeypatch.setenv("VITRAIL_KERNELS", name)
        with pytest.raises(VitrailError, match=f"VITRAIL_KERNELS={name} .*{reason}"):
            persistence(x)
    monkeypatch.setenv("VITRAIL_KERNELS", "cpu")
    with pytest.raises(VitrailError, match="computes in float32"):
        persistence(x.double())
    monkeypatch.setenv("VITRAIL_KERNELS", "reference")
    assert persistence(x.double())[1].shape == (1, 3)


def test_without_numba_auto_falls_back_and_doctor_says_so():
    program = """
import sys
sys.modules["numba"] = None
import torch
from vitrail_topofr.kernels.persistence import backends, doctor, persistence
x = torch.ones(1, 3, 3)
assert backends.pick(x) == "reference"
assert persistence(x)[0].tolist() == [[[0, 1], [0, 2]]]
print([(line.level, line.text) for line in doctor()][0])
"""
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert "problem" in output
    assert "numba" in output


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_nan_and_asymmetry_are_named(backend):
    x = matrices(3, 9)
    for b, i, j in [(0, 0, 1), (2, 8, 7), (1, 4, 4)]:
        bad = x.clone()
        bad[b, i, j] = torch.nan
        with pytest.raises(InputError, match=rf"hold NaN, first at \[{b}, {i}, {j}\]"):
            persistence(bad, backend=backend)
    bad = x.clone()
    bad[1, 2, 6] += 0.01
    with pytest.raises(InputError, match=r"not symmetric: \[1, 2, 6\] is .* and \[1, 6, 2\] is"):
        persistence(bad, backend=backend)
    bad = x.clone()
    bad[1, 2, 6] = torch.inf
    with pytest.raises(InputError, match=r"not symmetric: \[1, 2, 6\] is inf"):
        persistence(bad, backend=backend)


@pytest.mark.parametrize("n", [2, 3, 17, 64])
def test_the_fingerprint_finds_every_single_change(n):
    from vitrail_topofr.kernels.persistence import cpu

    x = matrices(1, n)
    assert cpu.sound(x)
    for i in range(n):
        for j in range(n):
            bad = x.clone()
            bad[0, i, j] += 1e-6 + bad[0, i, j] * 1e-6
            assert cpu.sound(bad) == (i == j)
    assert not cpu.sound(x + torch.randn(n, n, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_rounding_is_no_asymmetry_and_the_upper_triangle_counts(backend):
    x = matrices(2, 12)
    rounded = x + 1e-7 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).tril(-1)
    assert not torch.equal(rounded, rounded.mT)
    edges, lengths = persistence(rounded, backend=backend)
    wanted_edges, wanted = persistence(x, backend=backend)
    assert torch.equal(edges, wanted_edges)
    assert torch.equal(lengths, wanted)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_infinite_negative_and_negative_zero_lengths(backend):
    x = torch.tensor([[0.0, torch.inf, -1.0], [torch.inf, 0.0, torch.inf], [-1.0, torch.inf, 0.0]])
    edges, lengths = persistence(x, backend=backend)
    assert edges.tolist() == [[0, 2], [0, 1]]
    assert lengths.tolist() == [-1.0, torch.inf]
    zeros = torch.zeros(3, 3)
    zeros[1, 2] = zeros[2, 1] = -0.0  # no shorter than 0: the order of the places decides
    assert persistence(zeros, backend=backend)[0].tolist() == [[0, 1], [0, 2]]


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_nan_unchecked_still_gives_indices_in_range(backend):
    for fill in (torch.nan, -torch.nan, torch.inf):
        x = torch.full((1, 6, 6), fill)
        x[0, 1, 2] = x[0, 2, 1] = 0.5
        edges, _ = persistence(x, check=False, backend=backend)
        assert edges.min() >= 0
        assert edges.max() < 6
        assert set(edges.flatten().tolist()) == set(range(6))


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"shape \(2, 3\); wanted is \(B, n, n\)"):
        persistence(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="float dtype"):
        persistence(torch.zeros(3, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="70000 points; at most 65536"):
        persistence(torch.empty(0, 70000, 70000))


def test_torch_compile_sees_one_graph(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    x = matrices(2, 8)

    def loss(distances):
        edges, lengths = persistence(distances, check=False)
        return lengths.square().sum() + edges.sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")  # a graph break would raise
    given, wanted = x.clone().requires_grad_(), x.clone().requires_grad_()
    compiled(given).backward()
    loss(wanted).backward()
    assert torch.equal(given.grad, wanted.grad)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_each_matrix_of_a_batch_is_judged_by_its_own_size(backend):
    x = matrices(2, 9)
    x[1] *= 1e6
    bad = x.clone()
    bad[0, 2, 6] += 0.01
    with pytest.raises(InputError, match=r"not symmetric: \[0, 2, 6\] is"):
        persistence(bad, backend=backend)
    close = x.clone()
    close[1, 2, 6] *= 1 + 1e-6
    persistence(close, backend=backend)
