"""Class softmax on an NVIDIA GPU: for each block of classes matrix products by cuBLAS, and one kernel between them.

Beyond the gradients, memory is a few buffers that every block uses again, BUDGET bytes together.
"""

from __future__ import annotations

import math

import torch
import triton
from torch import Tensor

from vitrail_recognition.kernels.class_softmax import triton_kernels as kernels
from vitrail_recognition.kernels.class_softmax.parts import inverse_norms, merge, target_cosine
from vitrail_training.kernels.device import device_of

BUDGET = 32 << 20
SLICE = 4096  # classes that one program of `block_sums` adds up
ROWS, TILE = 128, (16, 128)  # samples of one program of `block_gradients`, and what it holds at a time
FINISH = (8, 512)
HEADROOM = 256.0  # keeps small gradients out of float16's subnormal numbers, and large ones below its end


def forward(
    embeddings: Tensor,
    centres: Tensor,
    labels: Tensor,
    scale: float,
    threshold: float,
    want_mean: bool,
    precision: str,
    block: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As reference.forward."""
    embeddings, centres, labels = _contiguous(embeddings, centres, labels)
    norms = inverse_norms(centres, torch.float32)
    target = target_cosine(embeddings, centres, labels, norms)
    work = _Work(embeddings, centres, precision, block)
    batch, classes = len(embeddings), len(centres)
    slices = triton.cdiv(work.block, SLICE)
    slots = (classes // work.block) * slices + triton.cdiv(classes % work.block, SLICE)
    rests = norms.new_empty(batch, slots)
    means = norms.new_empty(batch, slots) if want_mean else rests
    with device_of(embeddings):
        for number, first in enumerate(range(0, classes, work.block)):
            products, _ = work.products(first)
            n = products.shape[1]
            kernels.block_sums[(batch, triton.cdiv(n, SLICE))](
                products, norms[first:], labels, rests, means,
                n, first, number * slices, slots, scale, min(threshold, 2.0),
                BLOCK=SLICE, FILTER=threshold < math.inf, MEAN=want_mean, num_warps=8,
            )  # fmt: skip
    rest, mean = merge(rests, means)
    return rest, target, mean if want_mean else torch.zeros_like(mean), norms


def backward(
    grad_rest: Tensor,
    grad_target: Tensor,
    rest: Tensor,
    norms: Tensor,
    embeddings: Tensor,
    centres: Tensor,
    labels: Tensor,
    scale: float,
    threshold: float,
    precision: str,
    block: int,
) -> tuple[Tensor, Tensor]:
    """The gradients of embeddings and centres, as chunked.backward."""
    embeddings, centres, labels, rest, norms = _contiguous(embeddings, centres, labels, rest, norms)
    work = _Work(embeddings, centres, precision, block, gradients=True)
    grad_rest, grad_target = scale * grad_rest.float(), grad_target.float()
    largest = torch.maximum(grad_rest.abs().max(), grad_target.abs().max()) / HEADROOM
    largest = torch.where(largest > 0, largest, 1.0)
    grad_rest, grad_target = _contiguous(grad_rest / largest, grad_target / largest)
    batch, width = embeddings.shape
    groups = triton.cdiv(batch, ROWS)
    along = norms.new_empty(groups * work.block)
    grad_embeddings = norms.new_zeros(batch, width)
    grad_centres = torch.empty_like(centres)
    in_place = centres.dtype == torch.float32
    with device_of(embeddings):
        for first in range(0, len(centres), work.block):
            products, block_centres = work.products(first)
            n = products.shape[1]
            gradients = products if work.short is None else work.short[: batch * n].view(batch, n)
            kernels.block_gradients[(triton.cdiv(n, TILE[1]), groups)](
                products, gradients, along, norms[first:], labels, rest, grad_rest, grad_target,
                batch, n, first, scale, min(threshold, 2.0),
                ROWS=ROWS, BM=TILE[0], BN=TILE[1], FILTER=threshold < math.inf, num_warps=8,
            )  # fmt: skip
            _add_product(grad_embeddings, gradients, block_centres)
            out = grad_centres[first : first + n]
            slope = _product(gradients.mT, work.embeddings, out if in_place else work.slope[:n])
            kernels.finish[(triton.cdiv(n, FINISH[0]), triton.cdiv(width, FINISH[1]))](
                slope, centres[first:], along, largest, out, n, width, groups,
                BR=FINISH[0], BD=FINISH[1], num_warps=8,
            )  # fmt: skip
    return grad_embeddings.mul_(largest).to(embeddings.dtype), grad_centres


class _Work:
    """The buffers of one pass. `short` and `slope` are only there where they are needed.

    precision: dtype of what goes into the products. What comes out is float32.
    """

    def __init__(
        self, embeddings: Tensor, centres: Tensor, precision: str, block: int, gradients: bool = False
    ) -> None:
        dtype = getattr(torch, precision)
        batch, width = embeddings.shape
        converts = centres.dtype != dtype
        shortens = gradients and dtype != torch.float32
        slopes = gradients and centres.dtype != torch.float32
        each = 4 * batch + dtype.itemsize * (width * converts + batch * shortens) + 4 * width * slopes
        self.block = min(block or max(256, BUDGET // each // 256 * 256), len(centres))
        self.embeddings, self.centres = embeddings.to(dtype), centres
        new = embeddings.new_empty
        self.buffer = new(batch * self.block, dtype=torch.float32)
        self.converted = new(self.block, width, dtype=dtype) if converts else None
        self.short = new(batch * self.block, dtype=dtype) if shortens else None
        self.slope = new(self.block, width, dtype=torch.float32) if slopes else None

    def products(self, first: int) -> tuple[Tensor, Tensor]:
        """E W^T (B, n) in float32 for the classes from `first` on, and their centres (n, D) in the short dtype."""
        centres = self.centres[first : first + self.block]
        if self.converted is not None:
            centres = self.converted[: len(centres)].copy_(centres)
        batch, n = len(self.embeddings), len(centres)
        return _product(self.embeddings, centres.mT, self.buffer[: batch * n].view(batch, n)), centres


def _product(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    if a.dtype == out.dtype:
        return torch.mm(a, b, out=out)
    if a.is_cuda:
        return torch.mm(a, b, out.dtype, out=out)
    return torch.mm(a.to(out.dtype), b.to(out.dtype), out=out)


def _add_product(out: Tensor, a: Tensor, b: Tensor) -> None:
    if a.dtype == out.dtype:
        out.addmm_(a, b)
    else:
        out.add_(_product(a, b, torch.empty_like(out)))


def _contiguous(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor.contiguous() for tensor in tensors)
