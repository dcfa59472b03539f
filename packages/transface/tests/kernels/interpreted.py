"""What test_triton.py runs in Triton's interpreter, in a process of its own."""

from __future__ import annotations

from typing import Any

import torch

from vitrail_training.kernels.check import error_ratio
from vitrail_transface.kernels.amplitude_mix import amplitude_mix
from vitrail_transface.kernels.amplitude_mix.sample import random_inputs as patches
from vitrail_transface.kernels.gate_spread import gate_spread
from vitrail_transface.kernels.gate_spread.sample import random_inputs as tokens


def mix(dtype: str = "float32", patch: int = 9, floor: bool = False, **size: Any) -> dict[str, float]:
    """Error ratio of the change against the definition in float64, and whether all else is untouched."""
    inputs = patches(**size, patch=patch, dtype=getattr(torch, dtype))
    mixed = amplitude_mix(*inputs, patch=patch, floor=floor, backend="triton")
    exact = inputs[0].double()
    wanted = amplitude_mix(exact, *inputs[1:], patch=patch, floor=floor, backend="reference")
    untouched = wanted == exact
    assert inputs[-1].any(), "no patch is active"
    return {
        "change": error_ratio(mixed.double() - exact, wanted - exact),
        "pixels touched that should not be": int((mixed != inputs[0])[untouched].sum()),
    }


def flat() -> dict[str, float]:
    inputs = patches(2, size=(18, 18), patches=2, probability=1.0)
    inputs[0][0] = 0.3
    inputs[0][1, :, :9, :9] = -1.0
    wanted = amplitude_mix(inputs[0].double(), *inputs[1:], backend="reference")
    return {"mixed": error_ratio(amplitude_mix(*inputs, backend="triton"), wanted)}


def mix_strides_and_empty() -> dict[str, float]:
    inputs = patches(2, size=(20, 20), patches=2, probability=1.0)
    wanted = amplitude_mix(*inputs, backend="reference")
    strided = [torch.stack([x, torch.zeros_like(x)], dim=-1)[..., 0] for x in inputs]
    empty = amplitude_mix(*patches(0), backend="triton")
    return {
        "mixed": error_ratio(amplitude_mix(*strided, backend="triton"), wanted),
        "elements of empty": empty.numel(),
    }


def gate(batch: int, count: int, dim: int, dtype: str = "float32", flat: bool = False) -> dict[str, float]:
    """Error ratios of both outputs and both gradients against the definition in float64."""
    inputs = list(tokens(batch, count, dim, dtype=getattr(torch, dtype)))
    inputs[1][0, 0] *= -1
    if flat:
        inputs[0][0, 1] = 2.0
    inputs = [x.requires_grad_() for x in inputs]
    exact = [x.detach().double().requires_grad_() for x in inputs]
    mine, wanted = gate_spread(*inputs, backend="triton"), gate_spread(*exact, backend="reference")
    generator = torch.Generator().manual_seed(1)
    noise = [torch.randn(x.shape, generator=generator, dtype=torch.float64) for x in wanted]
    arriving = [x.to(y.dtype) for x, y in zip(noise, mine)]
    torch.autograd.backward(mine, arriving)
    torch.autograd.backward(wanted, [x.double() for x in arriving])
    pairs = {"gated": (mine[0], wanted[0]), "spread": (mine[1], wanted[1])}
    pairs |= {f"d{name}": (a.grad, b.grad) for name, a, b in zip(("tokens", "gate"), inputs, exact)}
    return {name: error_ratio(*pair) for name, pair in pairs.items()}


def gate_strides_and_empty() -> dict[str, float]:
    inputs = tokens(2, 5, 12)
    wanted = gate_spread(*inputs, backend="reference")
    strided = [torch.stack([x, torch.nan * x], dim=-1)[..., 0] for x in inputs]
    mine = gate_spread(*strided, backend="triton")
    return {
        "gated": error_ratio(mine[0], wanted[0]),
        "spread": error_ratio(mine[1], wanted[1]),
        "elements of empty": gate_spread(*tokens(0, 5, 12), backend="triton")[0].numel(),
    }


def everything() -> dict[str, dict[str, float]]:
    """All cases in one process, for starting one takes longer than running them."""
    return {
        "mix B2": mix(batch=2, probability=1.0),
        "mix B3, some inactive": mix(batch=3, probability=0.5, seed=2),
        "mix one channel, 31x45": mix(batch=3, channels=1, size=(31, 45), probability=0.7),
        "mix patch 5": mix(batch=2, size=(17, 23), patch=5, patches=3, probability=1.0),
        "mix patch 16": mix(batch=1, size=(33, 33), patch=16, patches=2, probability=1.0),
        "mix strides and empty": mix_strides_and_empty(),
        "mix flat patches": flat(),
        "gate D64": gate(2, 5, 64),
        "gate odd": gate(1, 7, 33),
        "gate D2": gate(3, 3, 2),
        "gate D768": gate(1, 2, 768),
        "gate flat token": gate(1, 3, 10, flat=True),
        "gate strides and empty": gate_strides_and_empty(),
        "gate bfloat16": gate(1, 5, 48, "bfloat16"),
        "mix floor": mix(batch=2, probability=1.0, floor=True),
    }
