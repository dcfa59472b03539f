"""What test_triton.py runs in Triton's interpreter, in a process of its own."""

from __future__ import annotations

import torch

from vitrail_topofr.kernels.persistence import persistence, triton


def distances(batch: int, n: int, seed: int = 0) -> torch.Tensor:
    points = torch.randn(batch, n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (points[:, :, None] - points[:, None]).norm(dim=-1).float()


def whole_numbers(batch: int, n: int, most: int) -> torch.Tensor:
    """Symmetric matrices of a few whole numbers, zeros and negatives among them: almost every length is
    tied."""
    generator = torch.Generator().manual_seed(n)
    upper = torch.randint(-1, most, (batch, n, n), generator=generator).float().triu(1)
    return upper + upper.mT


def same(x: torch.Tensor, prim: int) -> bool:
    """Whether edges, lengths and gradient are those of the definition, bit by bit."""
    triton.PRIM, triton.ROW, triton.VERTICES = prim, 16, 8  # several blocks even for few points
    results = []
    for backend in ("triton", "reference"):
        leaf = x.clone().requires_grad_()
        edges, lengths = persistence(leaf, backend=backend, check=False)
        (lengths * torch.arange(lengths.numel()).view(lengths.shape)).sum().backward()
        results.append((edges, lengths, leaf.grad))
    return all(torch.equal(one, other) for one, other in zip(*results))


def everything() -> dict[str, bool]:
    """All small cases in one process, for starting one takes longer than running them."""
    found = {}
    for name, prim in (("prim", 10**6), ("boruvka", 0)):
        found |= {
            f"{name} B2-n7": same(distances(2, 7), prim),
            f"{name} B1-n2": same(distances(1, 2), prim),
            f"{name} B1-n19": same(distances(1, 19), prim),
            f"{name} ties-of-two": same(whole_numbers(1, 13, 1), prim),
            f"{name} ties-of-four": same(whole_numbers(1, 18, 3), prim),
            f"{name} all-equal": same(torch.ones(1, 17, 17), prim),
            f"{name} line": same((torch.arange(17.0)[:, None] - torch.arange(17.0)).abs()[None] ** 1.5, prim),
            f"{name} infinite": same(distances(1, 9).masked_fill(distances(1, 9) > 2, torch.inf), prim),
            f"{name} strided": same(distances(2, 6).repeat(1, 2, 2)[:, :6, :6], prim),
        }
    return found
