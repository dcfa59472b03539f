"""Class centres, shared out over the processes, and the softmax over all of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitrail.errors import UsageError
from vitrail_recognition.collectives import gather, gather_embeddings, merge_shards
from vitrail_recognition.kernels.class_softmax import ClassSoftmax, class_softmax
from vitrail_recognition.sampling import sample_rows
from vitrail_training.distributed import rank, world
from vitrail_training.draws import generator_for

INIT_STD = 0.01
INIT_BLOCK = 4096  # rows drawn from one generator, so that centres begin alike for any number of processes


def shard(classes: int, number: int, processes: int) -> slice:
    """The classes that process `number` holds: classes // N of them, and one more on the first classes % N."""
    each, more = divmod(classes, processes)
    first = each * number + min(number, more)
    return slice(first, first + each + (number < more))


def localise(labels: Tensor, rows: slice) -> Tensor:
    """Labels as places among `rows`, -1 for those of other processes."""
    here = (labels >= rows.start) & (labels < rows.stop)
    return torch.where(here, labels - rows.start, -1)


class ShardedClassifier(nn.Module):
    """The class centres of this process, `weight` (rows, D), of `classes` altogether.

    It reads its share from the process group as it is when it is made; without one it holds all classes. It must stay
    outside what DistributedDataParallel wraps, since its gradients must not be averaged.

    sample_rate: the part q of the classes that a training step looks at (Partial FC, arXiv 2203.15565): the labels
        of the batch, and others at random up to q of these rows. It is never fewer than the batch has samples,
        so that sizes are fixed beforehand and no step waits for the device.
    sparse_update: with sampling, rows that were not chosen keep their values, momentum and weight decay out of the
        step (Partial FC as first published); CentreOptimizer does that. Otherwise the gradient is dense, with zeros
        for them, and momentum and weight decay move them too (insightface's later form).
    threshold: inter-class filtering, see `class_softmax`.
    """

    def __init__(
        self,
        classes: int,
        width: int,
        *,
        sample_rate: float = 1.0,
        sparse_update: bool = True,
        threshold: float | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if classes < 1 or width < 1:
            raise UsageError(
                f"{classes} classes of width {width} are no classifier; wanted is at least 1 of each."
            )
        if not 0 < sample_rate <= 1:
            raise UsageError(f"sample_rate is {sample_rate}; wanted is a part above 0 and up to 1.")
        if threshold is not None and not 0 < threshold <= 1:
            raise UsageError(f"threshold is {threshold}; wanted is a cosine above 0 and up to 1, or None.")
        self.classes, self.width, self.seed = classes, width, seed
        self.sample_rate, self.sparse_update, self.threshold = sample_rate, sparse_update, threshold
        self.rows = shard(classes, rank(), world())
        self.draws = 0
        self.taken: list[tuple[Tensor, Tensor]] = []
        self.weight = nn.Parameter(initial_centres(self.rows, width, seed).to(device or "cpu"))

    def forward(
        self, embeddings: Tensor, labels: Tensor, *, scale: float, want_mean: bool = False
    ) -> ClassSoftmax:
        """The softmax of all processes' samples over all classes; (N B,) each, the same on every process.

        embeddings: (B, D) of unit length, labels: (B,), 0 to classes - 1; the same B everywhere.
        """
        everyone, labels = gather_embeddings(embeddings), localise(gather(labels), self.rows)
        centres = self.weight
        count = min(len(centres), max(int(self.sample_rate * len(centres)), len(labels)))
        if self.training and count < len(centres):
            index, labels = sample_rows(labels, len(centres), count, self._generator(labels.device))
            centres = self._take(index)
        result = class_softmax(
            everyone, centres, labels, scale=scale, threshold=self.threshold, want_mean=want_mean
        )
        return merge_shards(result)

    def _generator(self, device: torch.device) -> torch.Generator:
        generator = generator_for(device, self.seed, rank(), self.draws)
        self.draws += 1
        return generator

    def _take(self, index: Tensor) -> Tensor:
        if not self.sparse_update:
            return self.weight.index_select(0, index)
        rows = self.weight.detach().index_select(0, index)
        if torch.is_grad_enabled():
            self.taken.append((index, rows.requires_grad_()))
        return rows

    def sampled_gradient(self) -> tuple[Tensor, Tensor] | None:
        """The rows that had a part since the last `clear_gradients` (k,) in ascending order, and their gradient (k, D).

        None where the gradient is that of `weight` as usual.
        """
        found = [(index, rows.grad) for index, rows in self.taken if rows.grad is not None]
        if len(found) < 2:
            return found[0] if found else None
        indices = torch.cat([index for index, _ in found])
        rows, places = indices.unique(return_inverse=True)
        gradient = found[0][1].new_zeros(len(rows), self.width)
        for begin, (index, part) in zip(range(0, len(indices), len(found[0][0])), found):
            gradient[places[begin : begin + len(index)]] += part
        return rows, gradient

    def clear_gradients(self) -> None:
        self.taken.clear()
        self.weight.grad = None

    def extra_repr(self) -> str:
        return f"classes={self.classes}, width={self.width}, rows={self.rows.start}:{self.rows.stop}"


def initial_centres(rows: slice, width: int, seed: int) -> Tensor:
    """Rows of the first centres, normal with deviation 0.01, the same for any sharing out."""
    parts = []
    for block in range(rows.start // INIT_BLOCK, -(-rows.stop // INIT_BLOCK)):
        generator = generator_for(torch.device("cpu"), seed, 0xCE, block)
        drawn = INIT_STD * torch.randn(INIT_BLOCK, width, generator=generator)
        begin = block * INIT_BLOCK
        parts.append(drawn[max(rows.start - begin, 0) : rows.stop - begin])
    return torch.cat(parts) if rows.stop > rows.start else torch.empty(0, width)
