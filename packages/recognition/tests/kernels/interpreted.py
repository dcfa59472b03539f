"""What test_triton.py runs in Triton's interpreter, in a process of its own."""

from __future__ import annotations

import math

import torch

from vitrail_recognition.kernels.class_softmax import class_softmax, triton
from vitrail_recognition.kernels.class_softmax.reference import class_softmax_reference
from vitrail_recognition.kernels.class_softmax.sample import random_inputs
from vitrail_training.kernels.check import error_ratio

SCALE = 16.0


def parity(
    size: list[int],
    *,
    threshold: float | None = None,
    block: int = 0,
    dtype: torch.dtype = torch.float32,
    precision: str | None = None,
    strided: bool = False,
    loss_scale: float = 1.0,
) -> dict[str, float]:
    """Error ratios of the results and of both gradients against the definition in float64."""
    embeddings, centres, labels = random_inputs(*size, dtype=dtype, absent=0.2)
    exact = [tensor.double().requires_grad_() for tensor in (embeddings, centres)]
    if strided:
        embeddings = torch.stack([embeddings, torch.nan * embeddings], dim=-1)[..., 0]
        centres = centres.T.contiguous().T
        labels = torch.stack([labels, -labels], dim=-1)[..., 0]
    leaves = [tensor.detach().requires_grad_() for tensor in (embeddings, centres)]
    found = class_softmax(
        *leaves,
        labels,
        scale=SCALE,
        threshold=threshold,
        want_mean=True,
        precision=precision,
        block=block,
        backend="triton",
    )
    wanted = class_softmax_reference(*exact, labels, SCALE, threshold or math.inf)
    generator = torch.Generator().manual_seed(1)
    arriving = [loss_scale * torch.randn(size[0], generator=generator) for _ in range(2)]
    torch.autograd.backward(found[:2], arriving)
    torch.autograd.backward(wanted[:2], [gradient.double() for gradient in arriving])
    errors = {name: error_ratio(a, b) for name, a, b in zip(found._fields, found, wanted)}
    return errors | {f"d{name}": error_ratio(a.grad, b.grad) for name, a, b in zip(("E", "W"), leaves, exact)}


def empty() -> dict[str, float]:
    centres = torch.randn(5, 4, requires_grad=True)
    none = torch.empty(0, 4, requires_grad=True)
    result = class_softmax(none, centres, torch.empty(0, dtype=torch.long), backend="triton")
    result.rest.sum().backward()
    return {"results": result.rest.numel(), "dE": none.grad.numel(), "dW": centres.grad.abs().max().item()}


def everything() -> dict[str, dict[str, float]]:
    """All small cases in one process, for starting one takes longer than running them."""
    triton.SLICE, triton.ROWS, triton.TILE, triton.FINISH = 64, 8, (4, 16), (8, 16)
    return {
        "B8-D16-C64": parity([8, 16, 64]),
        "odd-B5-D7-C33": parity([5, 7, 33]),
        "blocks-B19-D5-C301": parity([19, 5, 301], block=100),
        "filtered": parity([9, 6, 101], threshold=0.3, block=40),
        "non-contiguous": parity([5, 7, 33], strided=True, block=20),
        "a class a block": parity([3, 4, 2], block=1),
        "bfloat16 inputs": parity([6, 8, 50], dtype=torch.bfloat16, block=32),
        "float16 inputs": parity([6, 8, 50], dtype=torch.float16, block=32),
        "products in float16, a large loss scale": parity(
            [6, 8, 50], precision="float16", loss_scale=65536.0
        ),
        "products in float16, small gradients": parity([6, 8, 50], precision="float16", loss_scale=1e-7),
        "float32 inputs, products in bfloat16": parity([6, 8, 50], precision="bfloat16", block=32),
        "bfloat16 inputs, products in float32": parity(
            [6, 8, 50], dtype=torch.bfloat16, precision="float32", block=32
        ),
        "empty": empty(),
    }
