"""The sums by class on the CPU, compiled by numba: one pass over the pixels, float64."""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_training.kernels import threads
from vitrail_training.kernels.compiled import import_compiled

_kernels = import_compiled(f"{__name__.rpartition('.')[0]}.cpu_kernels")
PARTS, FEWEST = 16, 4096  # parts of the pixels, however many threads there are; pixels in a part


def forward(mean: Tensor, variance: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """As reference.forward, for float32 and narrower inputs."""
    pixels, width = mean.shape
    step = max(FEWEST, -(-pixels // PARTS))
    firsts = range(0, pixels, step)
    precision, weighted = (torch.zeros(len(firsts), classes, width, dtype=torch.float64) for _ in range(2))
    count = torch.zeros(len(firsts), classes, dtype=torch.int64)
    inputs = [x.contiguous().numpy() for x in (mean.float(), variance.float(), labels)]
    outputs = [x.numpy() for x in (precision, weighted, count)]

    def task(part: int) -> None:
        first = firsts[part]
        _kernels.add(*inputs, first, min(first + step, pixels), *(x[part] for x in outputs))

    threads.each(task, range(len(firsts)), work=step * width)
    # numpy's order of a sum, unlike torch's, does not depend on the number of threads
    precision, weighted, count = (torch.from_numpy(x.sum(axis=0)) for x in outputs)
    return precision, weighted, count
