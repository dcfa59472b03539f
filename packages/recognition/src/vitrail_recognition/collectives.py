"""The exchanges between processes that hold a share of the samples and a share of the classes each.

One convention throughout, that of data-parallel training: every process calls backward on the mean of *its own*
samples' loss, and gradients of the network are averaged over processes afterwards. The class centres are not averaged,
so they get the gradient of the mean over all samples here, and embeddings get N times theirs.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from vitrail_recognition.kernels.class_softmax import ClassSoftmax, merge
from vitrail_training.distributed import rank, world


def gather(value: Tensor) -> Tensor:
    """`value` (B, ...) of every process, (N B, ...), in the order of their numbers; without gradient."""
    if world() == 1:
        return value.detach()
    value = value.detach().contiguous()
    out = value.new_empty(world() * value.shape[0], *value.shape[1:])
    dist.all_gather_into_tensor(out, value)
    return out


def gather_embeddings(value: Tensor) -> Tensor:
    """As `gather`, with a gradient: what all processes found for these samples, summed, times N."""
    return _Gather.apply(value) if world() > 1 else value


def merge_shards(result: ClassSoftmax) -> ClassSoftmax:
    """The softmax over all classes from that over the classes of each process; (B,) each, equal everywhere."""
    return ClassSoftmax(*_Merge.apply(*result)) if world() > 1 else result


def own_samples(value: Tensor) -> Tensor:
    """This process's part (B,) of what all of them computed alike for all samples (N B,)."""
    return _Own.apply(value) if world() > 1 else value


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return gather(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        own = gradient.new_empty(gradient.shape[0] // world(), *gradient.shape[1:])
        dist.reduce_scatter_tensor(own, gradient.contiguous())
        return own.mul_(world())


class _Merge(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rest: Tensor, target: Tensor, mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rests, targets, means = gather(torch.stack([rest, target, mean])[None]).unbind(dim=1)
        total, total_mean = merge(rests.T, means.T)
        ctx.save_for_backward(rest, total)
        ctx.mark_non_differentiable(total_mean)
        return total, targets.sum(dim=0), total_mean  # the target is 0 everywhere but on one process

    @staticmethod
    def backward(
        ctx: Any, grad_rest: Tensor, grad_target: Tensor, _mean: Tensor
    ) -> tuple[Tensor, Tensor, None]:
        rest, total = ctx.saved_tensors
        return torch.where(rest == total, grad_rest, grad_rest * (rest - total).exp()), grad_target, None


class _Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        count = value.shape[0] // world()
        return value[rank() * count : (rank() + 1) * count].clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gather(gradient) / world()
