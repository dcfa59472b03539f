"""Trees equal those of gudhi, ripser and scipy bit by bit, and ties follow the total order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitrail_topofr.kernels.persistence import persistence

BACKENDS = ("reference", "cpu")


def exact_distances(points: torch.Tensor) -> torch.Tensor:
    """float32 distances by differences in float64, symmetric bit by bit."""
    wide = points.double()
    return torch.cdist(wide, wide, compute_mode="donot_use_mm_for_euclid_dist").float().fill_diagonal_(0)


def randn(n: int, d: int = 512, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return exact_distances(torch.randn(n, d))


def of_gudhi(matrix: np.ndarray) -> np.ndarray:
    gudhi = pytest.importorskip("gudhi")
    tree = gudhi.RipsComplex(distance_matrix=matrix).create_simplex_tree(max_dimension=1)
    tree.compute_persistence()
    deaths = tree.persistence_intervals_in_dimension(0)[:, 1]
    return np.sort(deaths[np.isfinite(deaths)])


def of_ripser(matrix: np.ndarray) -> np.ndarray:
    ripser = pytest.importorskip("ripser")
    deaths = ripser.ripser(matrix, distance_matrix=True, maxdim=0)["dgms"][0][:, 1]
    return np.sort(deaths[np.isfinite(deaths)])


def of_scipy(matrix: np.ndarray) -> np.ndarray:
    graph = pytest.importorskip("scipy.sparse.csgraph")
    return np.sort(graph.minimum_spanning_tree(matrix).data)


@pytest.mark.parametrize("rival", [of_gudhi, of_ripser, of_scipy], ids=lambda rival: rival.__name__)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n", [2, 63, 128])
def test_lengths_are_those_of_another_library(rival, backend, n):
    matrix = randn(n, 16, seed=n)
    _, lengths = persistence(matrix, backend=backend)
    other = rival(matrix.numpy())
    assert np.array_equal(lengths.numpy(), other.astype(np.float32))
    assert np.array_equal(lengths.double().numpy(), other.astype(np.float64))


@pytest.mark.parametrize("backend", BACKENDS)
def test_lengths_are_those_of_another_library_where_many_are_tied(backend):
    upper = torch.randint(1, 5, (40, 40), generator=torch.Generator().manual_seed(0)).float().triu(1)
    matrix = upper + upper.T
    _, lengths = persistence(matrix, backend=backend)
    for rival in (of_gudhi, of_ripser, of_scipy):
        assert np.array_equal(lengths.numpy(), rival(matrix.numpy()).astype(np.float32))


@pytest.mark.parametrize("n", [128, 512, pytest.param(2048, marks=pytest.mark.slow)])
def test_sums_of_the_golden_points(golden, n):
    _, lengths = persistence(randn(n), backend="cpu")
    assert lengths.double().sum().item() == pytest.approx(golden["mst_randn_512d_sum"][str(n)], rel=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_points_whose_tree_is_known(golden, backend):
    square = exact_distances(torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]]))
    edges, lengths = persistence(square, backend=backend)
    assert edges.tolist() == golden["mst_unit_square"]  # four sides of length 1: the first three in order
    assert lengths.tolist() == [1, 1, 1]
    line = exact_distances(torch.tensor([[0.0], [1], [3], [6], [10]]))
    edges, lengths = persistence(line, backend=backend)
    assert edges.tolist() == golden["mst_line_0_1_3_6_10"]["edges"]
    assert lengths.tolist() == golden["mst_line_0_1_3_6_10"]["lengths"]


def kruskal(matrix: torch.Tensor) -> list[list[int]]:
    """The tree by the definition of the order: all pairs sorted by (length, i, j), each taken if it joins."""
    n = len(matrix)
    component = list(range(n))
    taken = []
    pairs = [(matrix[i, j].item(), i, j) for i in range(n) for j in range(i + 1, n)]
    for _, i, j in sorted(pairs):
        if component[i] != component[j]:
            old, new = component[j], component[i]
            component = [new if c == old else c for c in component]
            taken.append([i, j])
    return taken


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kinds", [1, 2, 3, 10])
def test_ties_follow_the_total_order(backend, kinds):
    for n in (2, 3, 8, 25):
        upper = torch.randint(0, kinds, (n, n), generator=torch.Generator().manual_seed(n)).float().triu(1)
        matrix = upper + upper.T
        edges, lengths = persistence(matrix, backend=backend)
        assert edges.tolist() == kruskal(matrix)
        assert torch.equal(lengths, matrix[edges[:, 0], edges[:, 1]])


def test_with_and_without_a_gradient_the_edges_are_the_same():
    """Without one the compiled loops are called directly, with one through the op."""
    matrix = torch.stack([randn(40, 3, seed) for seed in range(3)])
    edges, lengths = persistence(matrix, backend="cpu")
    same, also = persistence(matrix.clone().requires_grad_(), backend="cpu")
    assert torch.equal(edges, same)
    assert torch.equal(lengths, also)
    assert also.requires_grad


def test_both_backends_find_the_same_edges():
    for seed in range(5):
        matrix = randn(97, 3, seed)
        assert torch.equal(*(persistence(matrix, backend=name)[0] for name in BACKENDS))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_order_of_the_points_does_not_matter(backend):
    matrix = randn(50, 4)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(1))
    edges, lengths = persistence(matrix, backend=backend)
    moved, same = persistence(matrix[order][:, order], backend=backend)
    assert torch.equal(lengths, same)
    assert {frozenset(pair) for pair in order[moved].tolist()} == {frozenset(p) for p in edges.tolist()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_scaled_distances_have_scaled_lengths(backend):
    matrix = randn(30, 4)
    edges, lengths = persistence(matrix, backend=backend)
    scaled, four_times = persistence(4 * matrix, backend=backend)
    assert torch.equal(edges, scaled)
    assert torch.equal(4 * lengths, four_times)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_is_its_matrices(backend):
    batch = torch.stack([randn(21, 3, seed) for seed in range(4)])
    edges, lengths = persistence(batch, backend=backend)
    for matrix, some, lone in zip(batch, edges, lengths):
        one, alone = persistence(matrix, backend=backend)
        assert torch.equal(some, one)
        assert torch.equal(lone, alone)


def test_the_gradient_reaches_the_points():
    points = torch.randn(
        9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).requires_grad_()

    def lengths(points):
        differences = points[:, None] - points[None]
        squares = differences.square().sum(-1) + torch.eye(len(points), dtype=points.dtype)  # away from 0
        return persistence(squares.sqrt(), backend="reference")[1]

    torch.autograd.gradcheck(lengths, (points,))
    lengths(points).sum().backward()
    assert points.grad.sum(0).abs().max() < 1e-12
