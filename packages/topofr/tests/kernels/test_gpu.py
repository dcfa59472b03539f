"""The Triton kernels on a device, and what else must not wait for it."""

from __future__ import annotations

import pytest
import torch

from vitrail_topofr.damage import fit_mixture, random_signs
from vitrail_topofr.kernels.persistence import backends, doctor, persistence
from vitrail_topofr.structure import distances, structure_loss
from vitrail_training.kernels.check import Case, check_op, error_ratio

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]


def matrices(batch: int, n: int, dtype=torch.float32, kinds: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(n)
    if kinds:
        upper = torch.randint(0, kinds, (batch, n, n), generator=generator).float().triu(1)
        return (upper + upper.mT).to("cuda", dtype)
    points = torch.randn(batch, n, 8, generator=generator, dtype=torch.float64)
    exact = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    return exact.to(dtype).cuda()


def by_triton(distances):
    return persistence(distances, backend="triton")[1]


def by_reference(distances):
    return persistence(distances, backend="reference")[1]


def test_is_the_choice_on_a_gpu(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    assert backends.pick(torch.zeros(1, device="cuda")) == "triton"
    assert backends.pick(torch.zeros(1, device="cuda", dtype=torch.float64)) == "reference"
    assert all(line.level == "ok" for line in doctor())


def test_op():
    sizes = [(3, 7), (1, 33), (2, 300), (1, 2), (0, 5), (2, 6)]
    check_op(by_triton, by_reference, [Case(f"B{b}-n{n}", (matrices(b, n),)) for b, n in sizes])


@pytest.mark.parametrize("kinds", [0, 1, 3, 50])
@pytest.mark.parametrize(
    ("batch", "n"), [(2, 64), (2, 128), (1, 256), (1, 257), (3, 512), (1, 2048), (2000, 20)]
)
def test_edges_are_those_of_the_cpu_bit_by_bit(batch, n, kinds):
    x = matrices(batch, n, kinds=kinds)
    edges, lengths = persistence(x, backend="triton")
    wanted, same = persistence(x.cpu(), backend="cpu")
    assert torch.equal(edges.cpu(), wanted)
    assert torch.equal(lengths.cpu(), same)


@pytest.mark.parametrize("n", [200, 400])
def test_nan_unchecked_gives_indices_in_range(n):
    edges, _ = persistence(torch.full((1, n, n), torch.nan, device="cuda"), check=False)
    assert edges.min() >= 0
    assert edges.max() < n


def test_nothing_waits_for_the_device():
    x, z = torch.rand(300, 3, 16, 16, device="cuda"), torch.randn(300, 32, device="cuda", requires_grad=True)
    entropy = torch.rand(300, device="cuda")
    signs = random_signs(300, generator=torch.Generator().manual_seed(0), device="cuda")
    structure_loss(x, z)  # compiles
    torch.cuda.set_sync_debug_mode("error")
    try:
        structure_loss(x, z).backward()
        fit_mixture(entropy, signs)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_structure_and_mixture_are_those_of_the_cpu():
    generator = torch.Generator().manual_seed(0)
    x, z = torch.rand(64, 3, 32, 32, generator=generator), torch.randn(64, 32, generator=generator)
    entropy, signs = torch.rand(64, generator=generator), random_signs(64, generator=generator)
    for matching in ("edges", "sorted"):
        found = structure_loss(x.cuda(), z.cuda(), matching=matching)
        assert found.item() == pytest.approx(structure_loss(x, z, matching=matching).item(), rel=1e-5)
    assert error_ratio(fit_mixture(entropy.cuda(), signs).easy, fit_mixture(entropy, signs).easy) < 1e-6


def test_tf32_does_not_reach_the_distances():
    points = torch.randn(100, 3000, device="cuda") + 3
    wanted = torch.cdist(points.double(), points.double(), compute_mode="donot_use_mm_for_euclid_dist")
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        assert error_ratio(distances(points), wanted) < 1e-6
    finally:
        torch.set_float32_matmul_precision(before)


def test_runs_on_the_device_of_the_input():
    if torch.cuda.device_count() < 2:
        pytest.skip("one device only")
    x = matrices(1, 30).to("cuda:1")
    assert persistence(x)[1].device == x.device
