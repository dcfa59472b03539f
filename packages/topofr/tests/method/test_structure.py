"""The structure loss: goldens, definition, gradient, numbers near nothing, and memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from vitrail_topofr.structure import distances, edge_lengths, largest_distance, structure_loss


def sets(seed: int, *shapes: tuple[int, ...]) -> list[torch.Tensor]:
    torch.manual_seed(seed)
    return [torch.randn(shape) for shape in shapes]


def test_released_loss_and_gradient_of_eight(golden):
    wanted = golden["topo_sorted_n8"]
    x, z = sets(0, (8, 3, 16, 16), (8, 512))
    z.requires_grad_()
    loss = structure_loss(x, z, matching="sorted")
    loss.backward()
    assert loss.item() == pytest.approx(wanted["loss_released"], rel=1e-6)
    assert z.grad.norm().item() == pytest.approx(wanted["grad_norm_emb"], rel=1e-6)
    assert z.grad.sum(0).abs().max() < 1e-5, "moving all embeddings together changes nothing"


def test_released_loss_and_gradient_of_a_real_batch(golden):
    wanted = golden["topo_n128_112"]
    x, z = sets(0, (128, 3, 112, 112), (128, 512))
    z.requires_grad_()
    loss = structure_loss(x, z, matching="sorted")
    loss.backward()
    assert loss.item() == pytest.approx(wanted["loss_released"], rel=1e-6)
    assert z.grad.norm().item() == pytest.approx(wanted["grad_norm_emb"], rel=1e-5)


@pytest.mark.parametrize(("matching", "factor"), [("sorted", 6), ("edges", 12)])
def test_both_forms_on_six_points(golden, matching, factor):
    """The golden of the edge-matched form has neither the half nor the division by n."""
    wanted = golden["topo_modes_n6"]["sorted" if matching == "sorted" else "symmetric_no_half"]
    x, z = sets(0, (6, 3, 8, 8), (6, 4))
    z.requires_grad_()
    loss = factor * structure_loss(x, z, matching=matching)
    loss.backward()
    assert loss.item() == pytest.approx(wanted["sum"], rel=1e-6)
    assert z.grad.norm().item() == pytest.approx(wanted["grad_norm_of_sum"], rel=1e-6)


def by_definition(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Eq. 2 over the whole matrices in float64, trees by scipy, divided by n."""
    graph = pytest.importorskip("scipy.sparse.csgraph")
    x = x.double().flatten(1)
    z = z.double()
    of_x = (x[:, None] - x[None]).norm(dim=-1) / (4 * x.shape[1]) ** 0.5
    of_z = (z[:, None] - z[None] + 0).square().sum(-1).clamp(min=1e-300).sqrt()
    total = 0
    for matrix in (of_x, of_z):
        tree = graph.minimum_spanning_tree(matrix.detach().numpy()).tocoo()
        i, j = torch.from_numpy(tree.row).long(), torch.from_numpy(tree.col).long()
        total = total + (of_x[i, j] - of_z[i, j]).square().sum()
    return total / 2 / len(x)


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (17, 1, 5, 7), (40, 3, 30, 31)], ids=str)
def test_edge_matched_is_the_papers_equation(shape):
    x, z = sets(3, shape, (shape[0], 9))
    x = x.clamp(-1, 1)
    z.requires_grad_()
    loss = structure_loss(x, z)
    wanted = by_definition(x, z)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    (mine,), (theirs,) = (torch.autograd.grad(value, z) for value in (loss, wanted))
    assert (mine - theirs).norm() < 1e-5 * theirs.norm()


@pytest.mark.parametrize("matching", ["edges", "sorted"])
def test_gradcheck(matching):
    x, z = sets(1, (7, 3, 4, 4), (7, 5))
    z = z.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: structure_loss(x, z, matching=matching), (z,))


@pytest.mark.parametrize("matching", ["edges", "sorted"])
def test_no_loss_where_both_have_the_same_distances(matching):
    x, _ = sets(2, (20, 3, 6, 6), (1,))
    z = (x.flatten(1) / largest_distance(x)).requires_grad_()
    loss = structure_loss(x, z, matching=matching)
    loss.backward()
    assert loss.item() < 1e-12
    assert z.grad.abs().max() < 1e-6


def test_the_largest_distance_is_that_of_black_and_white():
    images = torch.stack((torch.ones(3, 112, 112), -torch.ones(3, 112, 112)))
    assert largest_distance(images) == pytest.approx(387.98, abs=0.01)
    assert distances(images.flatten(1))[0, 1].item() == pytest.approx(largest_distance(images), rel=1e-6)


@pytest.mark.parametrize("matching", ["edges", "sorted"])
def test_equal_points_have_a_gradient_without_nan(matching):
    x, z = sets(4, (6, 3, 5, 5), (6, 8))
    x[3] = x[1]
    z[4] = z[2]
    z[5] = z[2]
    z.requires_grad_()
    loss = structure_loss(x, z, matching=matching)
    loss.backward()
    assert loss.isfinite()
    assert z.grad.isfinite().all()
    same = torch.zeros(4, 3, requires_grad=True)
    structure_loss(x[:4], same, matching=matching).backward()
    assert torch.equal(same.grad, torch.zeros_like(same))


def test_a_nan_in_the_embeddings_is_not_hidden():
    x, z = sets(4, (6, 3, 5, 5), (6, 8))
    z[2, 3] = torch.nan
    assert structure_loss(x, z).isnan()


@pytest.mark.parametrize("count", [0, 1])
def test_no_pair_no_loss(count):
    x, z = torch.zeros(count, 3, 4, 4), torch.zeros(count, 5, requires_grad=True)
    for matching in ("edges", "sorted"):
        loss = structure_loss(x, z, matching=matching)
        loss.backward()
        assert loss.item() == 0


@pytest.mark.parametrize("offset", [0.0, 1.0, 100.0])
@pytest.mark.parametrize("apart", [1.0, 1e-2])
def test_distances_keep_their_digits_far_from_zero(offset, apart):
    """Points close together and far from the origin, in float32, against differences in float64."""
    torch.manual_seed(0)
    points = (offset + apart * torch.randn(40, 6000)).float()
    wanted = torch.cdist(points.double(), points.double(), compute_mode="donot_use_mm_for_euclid_dist")
    found = distances(points)
    error = (found.double() - wanted).abs().max() / wanted.max()
    assert error < 1e-5
    assert torch.equal(found, found.T)
    assert torch.equal(found.diagonal(), torch.zeros(40))


def test_near_twins_never_go_below_zero():
    points = torch.randn(1, 3000, generator=torch.Generator().manual_seed(0)).repeat(50, 1)
    points += 1e-7 * torch.randn(points.shape, generator=torch.Generator().manual_seed(1))
    found = distances(points)
    assert found.isfinite().all()
    assert found.min() >= 0
    assert found.max() < 0.01


def test_lengths_in_parts_are_those_of_the_whole():
    points = torch.randn(100, 7)
    edges = torch.randint(0, 100, (333, 2))
    wanted = (points[edges[:, 0]] - points[edges[:, 1]]).norm(dim=1)
    torch.testing.assert_close(edge_lengths(points, edges), wanted)
    torch.testing.assert_close(edge_lengths(points.clone().requires_grad_(), edges), wanted)


def test_under_autocast_and_in_half_precision():
    x, z = sets(5, (12, 3, 8, 8), (12, 16))
    wanted = structure_loss(x, z.bfloat16().float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(structure_loss(x, z.bfloat16()), wanted)
    assert structure_loss(x.half(), z.half()).dtype == torch.float32


def test_the_global_precision_is_left_as_it_was():
    torch.set_float32_matmul_precision("medium")
    try:
        distances(torch.randn(4, 4))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_wrong_arguments_are_named():
    x, z = torch.zeros(3, 3, 4, 4), torch.zeros(4, 5)
    with pytest.raises(ValueError, match=r"\(3, 3, 4, 4\) and embeddings \(4, 5\); wanted are as many"):
        structure_loss(x, z)
    with pytest.raises(ValueError, match="matching is 'both'"):
        structure_loss(x, z[:3], matching="both")


PROGRAM = """
import re, torch
from pathlib import Path
from vitrail_topofr.structure import structure_loss

def megabytes(name):
    return int(re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

torch.set_num_threads(1)
torch.manual_seed(0)
structure_loss(torch.randn(4, 3, 8, 8), torch.randn(4, 8, requires_grad=True)).backward()
x, z = torch.empty(512, 3, 112, 112), torch.randn(512, 512, requires_grad=True)
for row in x:
    row.normal_()
Path("/proc/self/clear_refs").write_text("5")  # the peak, VmHWM, begins anew: importing may have needed more
before = megabytes("VmRSS")
structure_loss(x, z).backward()
print(megabytes("VmHWM") - before)
"""


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="the system tells no peaks of memory"
)
def test_512_faces_need_less_than_200_megabytes():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert 0 < float(done.stdout) < 200
