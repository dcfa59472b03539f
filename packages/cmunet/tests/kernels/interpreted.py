"""What test_triton.py runs in Triton's interpreter, in a process of its own."""

from __future__ import annotations

import torch

from vitrail_cmunet.kernels.selective_scan import cross_scan, triton
from vitrail_cmunet.kernels.selective_scan.sample import random_inputs
from vitrail_training.kernels.check import error_ratio

NAMES = ("x", "x_proj_weight", "dt_projs_weight", "dt_projs_bias", "A_logs", "Ds")


def parity(size: list[int], chunk: int, dtype: str = "float32", gradients: bool = True) -> dict[str, float]:
    """Error ratios of the output and of every gradient against the reference in float64."""
    kind = getattr(torch, dtype)
    inputs = [tensor.requires_grad_() for tensor in random_inputs(*size, dtype=kind)]
    exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    y, wanted = cross_scan(*inputs, backend="triton", chunk=chunk), cross_scan(*exact, backend="reference")
    errors = {"y": error_ratio(y, wanted)}
    if gradients:
        dy = torch.randn(wanted.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(
            kind
        )
        y.backward(dy)
        wanted.backward(dy.double())
        errors |= {name: error_ratio(a.grad, b.grad) for name, a, b in zip(NAMES, inputs, exact)}
    return errors


def parity_of_many_chunks() -> dict[str, float]:
    """Tiles of 4 steps and 4 chunks a round, so that a small image takes several rounds of the carry."""
    triton.TILE, triton.CARRY_CHUNKS = 4, 4
    return parity([1, 7, 9, 16, 3, 2], 4)


def strides_and_empty() -> dict[str, float]:
    inputs = random_inputs(2, 4, 5, 6, 3, 2)
    wanted = cross_scan(*inputs, backend="reference")
    strided = [torch.stack([tensor, torch.nan * tensor], dim=-1)[..., 0] for tensor in inputs]
    empty = cross_scan(inputs[0][:0], *inputs[1:], backend="triton")
    return {
        "y": error_ratio(cross_scan(*strided, backend="triton"), wanted),
        "elements of empty": empty.numel(),
    }


def everything() -> dict[str, dict[str, float]]:
    """All small cases in one process, for starting one takes longer than running them."""
    return {
        "B1-H3-W5-d16-N4-R2": parity([1, 3, 5, 16, 4, 2], 16),
        "B2-H5-W3-d5-N3-R3": parity([2, 5, 3, 5, 3, 3], 16),
        "one pixel": parity([1, 1, 1, 2, 1, 1], 16),
        "chunks of two tiles": parity([1, 7, 9, 16, 3, 2], 32, gradients=False),
        "bfloat16": parity([1, 4, 5, 16, 4, 2], 16, "bfloat16"),
        "strides and empty": strides_and_empty(),
        "many chunks": parity_of_many_chunks(),
    }
