"""Class softmax in plain torch, a block of classes at a time: what a CPU uses, for any device and float dtype.

Two buffers (B, block) stay in the cache and are used again for every block. Besides them, and the gradients in the
backward pass, there are only vectors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from vitrail_recognition.kernels.class_softmax.parts import EXCLUDED, inverse_norms, merge, target_cosine

BUFFER = 1 << 21
"""Elements of a buffer: 8 MB in float32. Smaller ones cost more calls, larger ones were no faster."""


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
    """As reference.forward; `precision` has no meaning here, products are taken in the precision of the sums."""
    work = _Work(embeddings, centres, labels, scale, threshold, block)
    norms = inverse_norms(centres, work.real)
    target = target_cosine(embeddings, centres, labels, norms)
    rests, means = [], []
    for span in work.spans():
        logits, own, _ = work.logits(span, norms)
        logits[own] = EXCLUDED
        highest = logits.amax(dim=1, keepdim=True)
        shares = torch.sub(logits, highest, out=work.second(span)).exp_()
        total = shares.sum(dim=1)
        rests.append(total.log() + highest[:, 0])
        if want_mean:
            means.append(torch.linalg.vecdot(shares, logits) / total)
    rest, mean = merge(torch.stack(rests, dim=1), torch.stack(means or rests, dim=1))
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
    """The gradients of embeddings (B, D) and centres (C, D).

    With g the gradient of the cosines (B, C), w the centres and n = 1 / |w|:

        dE = sum_j g_ij n_j w_j        dw_j = n_j (sum_i g_ij e_i - <g_j, cos_j> n_j w_j)
    """
    work = _Work(embeddings, centres, labels, scale, threshold, block)
    weight = (scale * grad_rest.to(work.real))[:, None]
    arriving = grad_target.to(work.real)
    grad_embeddings = torch.zeros_like(work.embeddings)
    grad_centres = torch.empty(centres.shape, dtype=centres.dtype, device=centres.device)
    in_place = centres.dtype == work.real
    for span in work.spans():
        logits, own, filtered = work.logits(span, norms)
        gradient = torch.sub(logits, rest[:, None], out=work.second(span)).exp_().mul_(weight)
        if filtered is not None:
            gradient.masked_fill_(filtered, 0)
        gradient[own] = arriving[own[0]]
        centre, n = centres[span].to(work.real), norms[span]
        along = logits.mul_(gradient).sum(dim=0).div_(scale)  # <g_j, cos_j>
        gradient.mul_(n)
        grad_embeddings.addmm_(gradient, centre)
        slope = grad_centres[span] if in_place else torch.empty_like(centre)
        torch.mm(gradient.mT, work.embeddings, out=slope)
        slope.addcmul_(centre, (along * n * n)[:, None], value=-1)
        if not in_place:
            grad_centres[span] = slope
    return grad_embeddings.to(embeddings.dtype), grad_centres


class _Work:
    """The blocks of one pass and its buffers."""

    def __init__(
        self,
        embeddings: Tensor,
        centres: Tensor,
        labels: Tensor,
        scale: float,
        threshold: float,
        block: int,
    ) -> None:
        self.real = torch.promote_types(torch.promote_types(embeddings.dtype, centres.dtype), torch.float32)
        self.embeddings = embeddings.to(self.real).contiguous()
        self.centres, self.labels, self.scale, self.threshold = centres, labels, scale, threshold
        batch = len(embeddings)
        self.block = block or max(256, BUFFER // batch)
        self.buffers = [self.embeddings.new_empty(batch * min(self.block, len(centres))) for _ in range(2)]

    def spans(self) -> Iterator[slice]:
        for first in range(0, len(self.centres), self.block):
            yield slice(first, min(first + self.block, len(self.centres)))

    def second(self, span: slice) -> Tensor:
        return self._shaped(self.buffers[1], span)

    def logits(self, span: slice, norms: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor | None]:
        """scale * cosine (B, block), the places of targets in it, and which ones were filtered to 0, if any are."""
        logits = torch.mm(
            self.embeddings, self.centres[span].to(self.real).mT, out=self._shaped(self.buffers[0], span)
        )
        logits.mul_(norms[span] * self.scale)
        rows = ((self.labels >= span.start) & (self.labels < span.stop)).nonzero()[:, 0]
        own = rows, self.labels[rows] - span.start
        if self.threshold == math.inf:
            return logits, own, None
        filtered = logits > self.scale * self.threshold
        filtered[own] = False
        return logits.masked_fill_(filtered, 0), own, filtered

    def _shaped(self, buffer: Tensor, span: slice) -> Tensor:
        batch, size = len(self.embeddings), span.stop - span.start
        return buffer[: batch * size].view(batch, size)
