"""The implementations of H0 persistence, in order of preference, and what each one needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

import torch
from torch import Tensor

from vitrail.specs import DoctorLine
from vitrail_training.kernels.choose import Backend, choose, doctor_line, why_no_cpu, why_no_triton

OP = "topofr's persistence"
_PACKAGE = __name__.rpartition(".")[0]


BACKENDS = (
    Backend("triton", lambda x: why_no_triton(x, f"{_PACKAGE}.triton")),
    Backend("cpu", lambda x: why_no_cpu(x, f"{_PACKAGE}.cpu")),
    Backend("reference", lambda x: ""),
)


@torch.compiler.assume_constant_result
def pick(x: Tensor, request: str | None = None) -> str:
    """The backend for an input like `x`; `request` overrides `VITRAIL_KERNELS`."""
    return choose(OP, BACKENDS, x, request)


def trees(name: str) -> Callable[[Tensor], Tensor]:
    return import_module(f"{_PACKAGE}.{name}").trees


def doctor() -> Iterable[DoctorLine]:
    """One line for each kind of device on this machine."""
    yield doctor_line(OP, BACKENDS, torch.empty(0))
    if torch.cuda.is_available():
        yield doctor_line(OP, BACKENDS, torch.empty(0, device="cuda"))
