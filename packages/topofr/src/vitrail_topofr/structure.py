"""PTSA: pull the topology of the embeddings towards that of the images (NeurIPS 2024).

Only 0-dimensional homology is compared, so all that is needed of a set is its minimum spanning tree. The
distances are computed twice: all n^2 of them by a Gram matrix, which decides about the edges, and those of the
n - 1 edges once more by differences, which are exact and carry the gradient. Nothing of size n^2 D is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor

from vitrail_topofr.kernels.persistence import persistence

Matching = Literal["edges", "sorted"]
COLUMNS = 4096
EDGES = 64


def structure_loss(
    images: Tensor, embeddings: Tensor, *, matching: Matching = "edges", backend: str | None = None
) -> Tensor:
    """How far the topology of `embeddings` is from that of `images`, a scalar.

    Args:
        images: (n, C, H, W), the clean normalised batch, values in -1 to 1. No gradient goes there.
        embeddings: (n, D), of the perturbed batch, not normalised.
        matching: "edges" looks up the edges of each tree in both sets and is the paper's invariant structure
            alignment (Eq. 2) divided by n; "sorted" compares the sorted lengths of the two trees and is what
            the released code does.
        backend: of the persistence, overrides `VITRAIL_KERNELS`.

    Raises ValueError for other shapes, or sets of different sizes. Computes in float32, or float64 where
    `embeddings` are, under autocast too. The choice of the edges is constant to the gradient.
    """
    if embeddings.dim() != 2 or images.dim() < 2 or len(images) != len(embeddings):
        raise ValueError(
            f"images have shape {tuple(images.shape)} and embeddings {tuple(embeddings.shape)}; wanted are as many of "
            "both, (n, C, H, W) and (n, D)."
        )
    if matching not in ("edges", "sorted"):
        raise ValueError(f"matching is {matching!r}; wanted is edges or sorted.")
    with torch.autocast(embeddings.device.type, enabled=False):
        real = torch.float64 if embeddings.dtype == torch.float64 else torch.float32
        z, x = embeddings.to(real), images.detach().flatten(1)
        scale = 1 / largest_distance(images)
        with torch.no_grad():
            x_tree, _ = persistence(distances(x), check=False, backend=backend)
            z_tree, _ = persistence(distances(z), check=False, backend=backend)
        if matching == "sorted":
            # By differences, the lengths may leave the order of the Gram matrix in the last digits.
            x_lengths = (edge_lengths(x, x_tree).to(real) * scale).sort().values
            return (x_lengths - edge_lengths(z, z_tree).sort().values).square().sum() / max(len(z), 1)
        edges = torch.cat((x_tree, z_tree))
        difference = edge_lengths(x, edges).to(real) * scale - edge_lengths(z, edges)
        return difference.square().sum() / (2 * max(len(z), 1))


def largest_distance(images: Tensor) -> float:
    """The largest distance that two images (n, C, H, W) with values in -1 to 1 can have: sqrt(4 C H W)."""
    return (4 * images[0].numel()) ** 0.5 if len(images) else 1.0


@torch.no_grad()
def distances(points: Tensor) -> Tensor:
    """Euclidean distances of all pairs of points (n, d) -> (n, n), float32 or float64; symmetric, the
    diagonal 0.

    d^2 = |a|^2 + |b|^2 - 2 a b loses what |a|^2 is larger than d^2. So the points are moved to their mean,
    the product is summed in slices of some columns, the slices in float64, and what falls below zero is zero.
    """
    n, d = points.shape
    real = torch.float64 if points.dtype == torch.float64 else torch.float32
    products = points.new_zeros(n, n, dtype=_sums(points.device))
    with _full_precision():
        for start in range(0, d, COLUMNS):
            part = points[:, start : start + COLUMNS].to(real)
            part = part - part.mean(dim=0)
            products += part @ part.mT
    squares = products.diagonal()
    found = (squares[:, None] + squares - products - products.mT).clamp_(min=0).sqrt_().to(real)
    return found.fill_diagonal_(0)


def _sums(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64  # Apple GPUs have no float64


def edge_lengths(points: Tensor, edges: Tensor) -> Tensor:
    """Lengths (m,) of edges (m, 2) between points (n, d), by differences. At length 0 the gradient is 0.

    Without a gradient to compute it takes some edges at a time, so that large points need little memory.
    """
    if torch.is_grad_enabled() and points.requires_grad:
        return _lengths(points, edges)
    return torch.cat([points.new_zeros(0), *(_lengths(points, part) for part in edges.split(EDGES))])


def _lengths(points: Tensor, edges: Tensor) -> Tensor:
    first, second = points[edges[:, 0]], points[edges[:, 1]]
    if points.dtype.itemsize < 4:
        first, second = first.float(), second.float()
    squares = (first - second).square().sum(dim=1)
    apart = squares != 0  # true for NaN too, which is to be seen
    return torch.where(apart, squares.where(apart, 1).sqrt(), 0)


@contextmanager
def _full_precision() -> Iterator[None]:
    """Float32 products in float32: neither TF32 nor bfloat16."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
