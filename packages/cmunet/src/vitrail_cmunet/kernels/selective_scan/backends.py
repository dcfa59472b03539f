"""The implementations of the cross-scan, in order of preference, and what each one needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

import torch
from torch import Tensor

from vitrail.specs import DoctorLine
from vitrail_training.kernels.choose import (
    Backend,
    choose,
    doctor_line,
    import_problem,
    why_no_cpu,
    why_no_triton,
)

OP = "cmunet's cross_scan"
_PACKAGE = __name__.rpartition(".")[0]


def _no_mamba(x: Tensor) -> str:
    if x.device.type != "cuda":
        return f"it needs a CUDA device and the input is on {x.device.type}"
    return import_problem(f"{_PACKAGE}.mamba")


BACKENDS = (
    Backend("triton", lambda x: why_no_triton(x, f"{_PACKAGE}.triton")),
    Backend("cpu", lambda x: why_no_cpu(x, f"{_PACKAGE}.cpu")),
    Backend("mamba", _no_mamba, automatic=False),
    Backend("reference", lambda x: ""),
)


@torch.compiler.assume_constant_result
def pick(x: Tensor, request: str | None = None) -> str:
    """The backend for an input like `x`; `request` overrides `VITRAIL_KERNELS`."""
    return choose(OP, BACKENDS, x, request)


def forward(name: str) -> Callable[..., tuple[Tensor, Tensor]]:
    return import_module(f"{_PACKAGE}.{name}").forward


def backward(name: str) -> Callable[..., tuple[Tensor, ...]]:
    return import_module(f"{_PACKAGE}.{name}").backward


@torch.compiler.assume_constant_result
def chunk_length(name: str, length: int) -> int:
    """Steps between two saved states, by backend and sequence length."""
    return import_module(f"{_PACKAGE}.{name}").chunk_length(length)


def doctor() -> Iterable[DoctorLine]:
    """One line for each kind of device on this machine."""
    yield doctor_line(OP, BACKENDS, torch.empty(0))
    if torch.cuda.is_available():
        yield doctor_line(OP, BACKENDS, torch.empty(0, device="cuda"))
