"""gate_spread on an NVIDIA GPU: a program reads a few whole tokens once and writes them gated, all sums in float32."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from vitrail_training.kernels.device import device_of


@triton.jit
def _load(tokens, gate, rows, columns, count, D):
    """Tokens (ROWS, BD) and their gates (ROWS,), float32; zeros beyond the ends. And which places exist."""
    inside = (rows < count)[:, None] & (columns < D)[None, :]
    places = rows.to(tl.int64)[:, None] * D + columns[None, :]
    t = tl.load(tokens + places, mask=inside, other=0.0).to(tl.float32)
    g = tl.load(gate + rows, mask=rows < count, other=0.0).to(tl.float32)
    return t, g, places, inside


@triton.jit
def _spread(t, inside, D):
    """std over D (ROWS,), and t - mean (ROWS, BD)."""
    centred = tl.where(inside, t - (tl.sum(t, axis=1) / D)[:, None], 0.0)
    return tl.sqrt(tl.sum(centred * centred, axis=1) / (D - 1)), centred


@triton.jit
def gate_forward(
    tokens, gate, gated, spread, count, D,
    ROWS: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """gated (count, D) and spread (count,); grid (blocks of rows,)."""
    rows, columns = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, BD)
    t, g, places, inside = _load(tokens, gate, rows, columns, count, D)
    s, _ = _spread(t, inside, D)
    tl.store(gated + places, t * g[:, None], mask=inside)
    tl.store(spread + rows, tl.abs(g) * s, mask=rows < count)


@triton.jit
def gate_backward(
    dgated, dspread, tokens, gate, dtokens, dgate, count, D,
    ROWS: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """The gradients as reference.backward writes them out; the spread is computed again."""
    rows, columns = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, BD)
    t, g, places, inside = _load(tokens, gate, rows, columns, count, D)
    s, centred = _spread(t, inside, D)
    dg = tl.load(dgated + places, mask=inside, other=0.0).to(tl.float32)
    ds = tl.load(dspread + rows, mask=rows < count, other=0.0).to(tl.float32)
    slope = tl.where(s > 0, ds * tl.abs(g) / (tl.where(s > 0, s, 1.0) * (D - 1)), 0.0)
    sign = tl.where(g > 0, 1.0, tl.where(g < 0, -1.0, 0.0))
    tl.store(dtokens + places, g[:, None] * dg + slope[:, None] * centred, mask=inside)
    tl.store(dgate + rows, tl.sum(dg * t, axis=1) + ds * sign * s, mask=rows < count)


def constants(D: int) -> dict[str, int]:
    """Which variant runs for tokens of D values: about 2,048 of them in a program."""
    block = triton.next_power_of_2(D)
    return {"ROWS": max(1, 2048 // block), "BD": block, "num_warps": 4 if block <= 2048 else 8}


def forward(tokens: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
    tokens, gate = tokens.contiguous(), gate.contiguous()
    gated = torch.empty_like(tokens)
    spread = torch.empty_like(gate, dtype=torch.float32)
    _launch(gate_forward, tokens, (tokens, gate, gated, spread))
    return gated, spread


def backward(dgated: Tensor, dspread: Tensor, tokens: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
    dgated, dspread, tokens, gate = (x.contiguous() for x in (dgated, dspread, tokens, gate))
    dtokens, dgate = torch.empty_like(tokens), torch.empty_like(gate)
    _launch(gate_backward, tokens, (dgated, dspread, tokens, gate, dtokens, dgate))
    return dtokens, dgate


def _launch(kernel, tokens: Tensor, pointers: tuple[Tensor, ...]) -> None:
    D = tokens.shape[-1]
    count, options = tokens.numel() // D, constants(D)
    with device_of(tokens):
        kernel[(triton.cdiv(count, options["ROWS"]),)](*pointers, count, D, **options)
