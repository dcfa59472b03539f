"""Gate tokens and measure the spread of each gated token, in one pass over them.

>>> gated, spread = gate_spread(tokens, gate)

`reference.py` is the definition and what a CPU runs, `triton.py` is for GPUs. `VITRAIL_KERNELS` chooses.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_transface.kernels.gate_spread.op import BACKENDS, gate_spread_op

__all__ = ["BACKENDS", "gate_spread", "pick"]


@torch.compiler.assume_constant_result
def pick(tokens: Tensor, backend: str | None = None) -> str:
    """The backend that runs for such tokens."""
    return BACKENDS.pick(tokens, backend)


def gate_spread(tokens: Tensor, gate: Tensor, *, backend: str | None = None) -> tuple[Tensor, Tensor]:
    """Each token times its gate, and the standard deviation of the result.

    Args:
        tokens: (B, N, D), any float dtype, D at least 2.
        gate: (B, N), any float dtype.
        backend: overrides `VITRAIL_KERNELS`.

    Returns:
        gated (B, N, D) in the tokens' dtype, and spread (B, N), the unbiased standard deviation over D of each gated
        token, float32 (float64 for float64 tokens). Both have gradients to both inputs; the spread's is zero where
        all values of a token are equal.

    Raises:
        UsageError: a backend was asked for that is unknown or cannot run here.
        ValueError: shapes that do not fit together.

    Source: TransFace, arXiv 2308.10133: the squeeze-and-excitation weights of tokens and their information.
    """
    if tokens.dim() != 3 or tokens.shape[-1] < 2:
        raise ValueError(f"tokens have shape {tuple(tokens.shape)}; wanted is (B, N, D), D at least 2.")
    if gate.shape != tokens.shape[:2]:
        raise ValueError(
            f"gate has shape {tuple(gate.shape)}; for these tokens it must be {tuple(tokens.shape[:2])}."
        )
    if not (tokens.dtype.is_floating_point and gate.dtype.is_floating_point):
        raise ValueError(
            f"tokens are {tokens.dtype} and gate is {gate.dtype}; both must be of a float dtype."
        )
    return gate_spread_op(tokens, gate, pick(tokens, backend))
