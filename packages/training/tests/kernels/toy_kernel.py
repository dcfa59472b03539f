"""A small kernel for the tests of the interpreter and of ahead-of-time compilation."""

from __future__ import annotations

import torch
import triton
import triton.language as tl


@triton.jit
def scaled_sum(x, y, out, n, scale, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < n
    total = tl.load(x + offsets, mask=mask).to(tl.float32) + scale * tl.load(y + offsets, mask=mask).to(
        tl.float32
    )
    tl.store(out + offsets, total, mask=mask)


def run(n: int, scale: float) -> dict:
    x, y = torch.randn(n), torch.randn(n)
    out = torch.full((n,), float("nan"))
    scaled_sum[(-(-n // 16),)](x, y, out, n, scale, BLOCK=16)
    return {"error": (out - (x + scale * y)).abs().max().item()}


def fail() -> None:
    raise ValueError("a reason to fail")
