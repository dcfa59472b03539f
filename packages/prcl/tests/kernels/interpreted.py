"""What test_triton.py runs in Triton's interpreter, in a process of its own."""

from __future__ import annotations

import torch

from vitrail_prcl.kernels.mls_infonce import mls_infonce, triton
from vitrail_prcl.kernels.mls_infonce.reference import mls_infonce_reference
from vitrail_prcl.kernels.mls_infonce.sample import random_inputs
from vitrail_prcl.kernels.prototypes import class_sums
from vitrail_prcl.kernels.prototypes import triton as sums_triton
from vitrail_training.kernels.check import error_ratio

SCALE = 0.1


def loss(*size: int, shared: bool = False, strided: bool = False, least: float | None = None, **options):
    """Error ratios of the loss and of both gradients against the definition in float64."""
    inputs = random_inputs(*size, shared=shared, **options)
    scale = SCALE
    if least is not None:
        small = [least * (1 + torch.rand(x.shape)) for x in (inputs.variance, inputs.key_variance)]
        inputs = inputs._replace(variance=small[0], key_variance=small[1], positive_variance=0 * inputs[4])
        scale = max(least, 1e-9)
    exact = [x.double().requires_grad_() for x in inputs[:2]]
    wanted = mls_infonce_reference(*exact, *inputs[2:], scale, shared)
    if strided:
        spare = [torch.full_like(x, torch.nan) if x.is_floating_point() else x * 0 for x in inputs]
        inputs = [torch.stack(pair, dim=-1)[..., 0] for pair in zip(inputs, spare)]
    leaves = [x.detach().requires_grad_() for x in inputs[:2]]
    found = mls_infonce(*leaves, *inputs[2:], scale=scale, shared=shared, backend="triton")
    arriving = torch.randn(len(found), generator=torch.Generator().manual_seed(1))
    found.backward(arriving)
    wanted.backward(arriving.double())
    pairs = {"loss": (found, wanted), "dmean": (leaves[0].grad, exact[0].grad)}
    pairs["dvariance"] = leaves[1].grad, exact[1].grad
    return {name: error_ratio(*pair) for name, pair in pairs.items()}


def sums(count: int, width: int, classes: int, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    """Error ratios of the three sums against the definition."""
    mean, variance = random_inputs(1, 1, count, 0, width, dtype=dtype)[5:7]
    labels = torch.randint(-1, classes, (count,), generator=torch.Generator().manual_seed(2))
    labels[labels == 1] = 0
    found = class_sums(mean, variance, labels, classes, backend="triton")
    wanted = class_sums(mean, variance, labels, classes, backend="reference")
    names = ("precision", "weighted", "count")
    return {name: error_ratio(*pair) for name, pair in zip(names, zip(found, wanted))}


def everything() -> dict[str, dict[str, float]]:
    """All small cases in one process, for starting one takes longer than running them."""
    triton.TILE, sums_triton.PARTS, sums_triton.TILE = 64, 3, (4, 16)  # several blocks even for little
    return {
        "A4-G3-P20-N11-D16-V5": loss(4, 3, 20, 11, 16, 5),
        "odd-A3-G4-P50-N7-D60-V5": loss(3, 4, 50, 7, 60, 5),
        "a-row-a-time-A3-N63-D70": loss(3, 2, 9, 63, 70, 3),
        "no-virtual": loss(5, 2, 9, 9, 33),
        "no-negatives": loss(4, 2, 0, 0, 16, 3),
        "nothing-but-positives": loss(4, 2, 3, 0, 5),
        "no-anchors": loss(0, 2, 3, 4, 5, 2),
        "shared": loss(5, 3, 20, 11, 16, 5, shared=True),
        "non-contiguous": loss(3, 2, 9, 5, 7, 3, strided=True),
        "variances of 1e-4": loss(3, 2, 20, 9, 24, 3, least=1e-4),
        "variances of 1e-9": loss(3, 2, 20, 9, 24, 3, least=1e-9),
        "variances of zero": loss(3, 2, 20, 9, 24, 3, least=0.0),
        "bfloat16 keys": loss(4, 3, 20, 11, 16, 5, key_dtype=torch.bfloat16),
        "float16 keys": loss(4, 3, 20, 11, 16, 5, key_dtype=torch.float16),
        "float16 anchors": loss(4, 3, 20, 11, 16, 5, dtype=torch.float16),
        "sums P100-D33-C5": sums(100, 33, 5),
        "sums P3-D16-C21": sums(3, 16, 21),
        "sums bfloat16": sums(50, 7, 3, torch.bfloat16),
        "sums of no pixels": sums(0, 7, 3),
    }
