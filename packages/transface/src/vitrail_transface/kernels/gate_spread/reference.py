"""The definition of gate_spread: for each token t (D values) with gate g,

    gated = g t        spread = std(g t) = |g| std(t)

with the unbiased standard deviation over D. The right-hand side needs the spread of the token alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


def gate_spread_reference(tokens: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
    """As `gate_spread`; autograd gives its gradients."""
    real = torch.promote_types(tokens.dtype, torch.float32)
    t, g = tokens.to(real), gate.to(real)
    return (t * g.unsqueeze(-1)).to(tokens.dtype), g.abs() * _spread(t)[0].squeeze(-1)


def forward(tokens: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
    return gate_spread_reference(tokens, gate)


def backward(dgated: Tensor, dspread: Tensor, tokens: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of tokens and gate, written out. With s = std(t), m = mean(t):

    dt = g dgated + dspread |g| (t - m) / ((D - 1) s)        dg = <dgated, t> + dspread sign(g) s
    """
    real = torch.promote_types(tokens.dtype, torch.float32)
    t, g, dgated, dspread = (x.to(real) for x in (tokens, gate, dgated, dspread))
    s, centred, inverse = _spread(t)
    slope = (dspread * g.abs()).unsqueeze(-1) * inverse / (t.shape[-1] - 1)
    dt = g.unsqueeze(-1) * dgated + slope * centred
    dg = (dgated * t).sum(dim=-1) + dspread * g.sign() * s.squeeze(-1)
    return dt.to(tokens.dtype), dg.to(gate.dtype)


def _spread(t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """std over the last dimension (.., 1), t - mean, and 1 / std, which is 0 where std is 0."""
    centred = t - t.mean(dim=-1, keepdim=True)
    variance = centred.square().sum(dim=-1, keepdim=True) / (t.shape[-1] - 1)
    flat = variance == 0
    s = torch.where(flat, 1, variance).sqrt()  # the root of 0 has no gradient
    return torch.where(flat, 0, s), centred, torch.where(flat, 0, 1 / s)
