"""Cross-scan on the CPU, compiled by numba: float32 arithmetic, as many threads as torch has.

The result is the same, bit by bit, from run to run, and for every number of threads up to 4 B ceil(d / 16); with more
threads the sum over the states is cut in parts (`_state_groups`), which moves the last bits.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vitrail_cmunet.kernels.selective_scan.reference import DIRECTIONS
from vitrail_training.kernels import threads
from vitrail_training.kernels.compiled import import_compiled

_kernels = import_compiled(f"{__name__.rpartition('.')[0]}.cpu_kernels")
_LANES = _kernels.LANES
_CHUNK = 64


def chunk_length(length: int) -> int:
    return _CHUNK


def forward(
    x: Tensor,
    projected: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A_log: Tensor,
    D: Tensor,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    """As reference.cross_scan_reference, for float32 and narrower inputs."""
    p = _Prepared(x, projected, dt_weight, dt_bias, A_log, D, chunk)
    y = torch.empty(p.groups, p.parts, *p.x.shape)
    entries = torch.empty(p.batch, DIRECTIONS, p.chunks, p.states_n, p.padded_d)
    y_, entries_ = y.numpy(), entries.numpy()

    def scan(b: int, k: int, block: int, group: int) -> None:
        _kernels.scan_forward(*p.arguments(b, k, block, group), y_[group, k % p.parts, b], entries_[b, k])

    p.run(scan)
    return p.image(y, x), entries[..., : p.d].contiguous()


def backward(
    dy: Tensor,
    states: Tensor,
    x: Tensor,
    projected: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A_log: Tensor,
    D: Tensor,
    chunk: int,
) -> tuple[Tensor, ...]:
    """The gradients of the six inputs; `states` are those that `forward` returned."""
    p = _Prepared(x, projected, dt_weight, dt_bias, A_log, D, chunk)
    dy_ = p.lanes(dy.float().flatten(1, 2)).numpy()
    entries = p.lanes(states.float()).numpy()
    dx = torch.empty(p.groups, p.parts, *p.x.shape)
    dfeatures = torch.empty(p.blocks * p.groups, *p.features.shape)
    dweight = torch.empty(p.groups, p.batch, DIRECTIONS, p.rank, p.padded_d)
    dbias = torch.empty(p.groups, p.batch, DIRECTIONS, 1, p.padded_d)
    dA = torch.empty(p.batch, DIRECTIONS, p.states_n, p.padded_d)
    dD = torch.empty(p.groups, p.batch, DIRECTIONS, 1, p.padded_d)
    dx_, dfeatures_, dweight_, dbias_, dA_, dD_ = (t.numpy() for t in (dx, dfeatures, dweight, dbias, dA, dD))

    def scan(b: int, k: int, block: int, group: int) -> None:
        _kernels.scan_backward(
            *p.arguments(b, k, block, group), dy_[b], entries[b, k],
            dx_[group, k % p.parts, b], dfeatures_[block * p.groups + group, b],
            dweight_[group, b, k], dbias_[group, b, k], dA_[b, k], dD_[group, b, k],
        )  # fmt: skip

    p.run(scan)
    dA_log = (_sum(dA) * p.A).mT[:, : p.d]
    return (
        p.image(dx, x),
        _sum(dfeatures).view(projected.shape).to(projected.dtype),
        _sum(dweight.flatten(0, 1)).mT[:, : p.d].to(dt_weight.dtype).contiguous(),
        _sum(dbias.flatten(0, 1))[:, 0, : p.d].to(dt_bias.dtype).contiguous(),
        dA_log.reshape(A_log.shape).to(A_log.dtype),
        _sum(dD[0])[:, 0, : p.d].reshape(D.shape).to(D.dtype),
    )


class _Prepared:
    """The inputs as contiguous float32 arrays, d padded with zeros to whole blocks of lanes, and the list of tasks."""

    def __init__(self, x, projected, dt_weight, dt_bias, A_log, D, chunk) -> None:
        self.batch, self.height, self.width, self.d = x.shape
        self.rank, self.states_n, self.chunk = dt_weight.shape[-1], A_log.shape[-1], chunk
        self.chunks = -(-self.height * self.width // chunk)
        self.blocks = -(-self.d // _LANES)
        self.padded_d = self.blocks * _LANES
        self.threads = torch.get_num_threads()
        # A direction and its reverse add to one image in turn, unless that leaves threads without work.
        self.parts = 2 if self.threads <= 2 * self.batch * self.blocks else DIRECTIONS
        self.groups = _state_groups(DIRECTIONS * self.batch * self.blocks, self.threads, self.states_n)

        self.x = self.lanes(x.float().flatten(1, 2))
        self.features = projected.float().flatten(1, 2).contiguous()
        self.weight = self.lanes(dt_weight.float().mT)
        self.bias = self.lanes(dt_bias.float().unsqueeze(1))
        self.A = self.lanes(-torch.exp(A_log.float()).view(DIRECTIONS, self.d, self.states_n).mT)
        self.A2 = self.A * float(np.log2(np.e))
        self.D = self.lanes(D.float().view(DIRECTIONS, 1, self.d))
        self._numpy = [t.numpy() for t in (self.x, self.features, self.weight, self.bias, self.A2, self.D)]
        self._no_skip = np.zeros((1, self.padded_d), np.float32)
        self._bounds = [round(i * self.states_n / self.groups) for i in range(self.groups + 1)]

    def lanes(self, tensor: Tensor) -> Tensor:
        """Contiguous, the last dimension padded with zeros to whole blocks."""
        missing = self.padded_d - tensor.shape[-1]
        return (F.pad(tensor, (0, missing)) if missing else tensor).contiguous()

    def image(self, parts: Tensor, like: Tensor) -> Tensor:
        """(groups, parts, B, L, padded d) -> (B, H, W, d), summed in one order whatever the number of parts."""
        if self.parts == DIRECTIONS:
            parts = parts[:, :2] + parts[:, 2:]
        return _sum(parts.flatten(0, 1))[..., : self.d].reshape(like.shape).to(like.dtype).contiguous()

    def arguments(self, b: int, k: int, block: int, group: int) -> tuple:
        """The sizes and input arrays of one scan: image b, direction k, a block of channels, a group of states."""
        x, features, weight, bias, A2, D = self._numpy
        states = self._bounds[group], self._bounds[group + 1]
        sizes = (k, self.height, self.width, self.chunk, block * _LANES, *states, k >= self.parts)
        return *sizes, x[b], features[b], weight[k], bias[k], A2[k], D[k] if group == 0 else self._no_skip

    def run(self, scan) -> None:
        """All scans; those that add to the same image, k and k + parts, one after the other."""

        def task(which: tuple[int, int, int, int]) -> None:
            b, k, block, group = which
            for direction in range(k, DIRECTIONS, self.parts):
                scan(b, direction, block, group)

        tasks = list(product(range(self.batch), range(self.parts), range(self.blocks), range(self.groups)))
        work = self.height * self.width * _LANES * self.states_n // self.groups
        threads.each(task, tasks, work=work)


def _sum(parts: Tensor) -> Tensor:
    """The sum over the first dimension, always in the same order; torch.sum's depends on the number of threads."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _state_groups(tasks: int, threads: int, states_n: int) -> int:
    """Into how many parts the states of one scan are cut: 1 unless there are fewer scans than threads."""
    return max(1, min(4, states_n, -(-threads // max(tasks, 1))))
