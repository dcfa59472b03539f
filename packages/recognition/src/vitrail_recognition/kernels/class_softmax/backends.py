"""The implementations of the class softmax, in order of preference, and what each one needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

import torch
from torch import Tensor

from vitrail.specs import DoctorLine
from vitrail_training.kernels.choose import Backend, choose, doctor_line, why_no_triton

OP = "the class softmax"
_PACKAGE = __name__.rpartition(".")[0]


# `chunked` is plain torch and runs on every device; it is what `cpu` names.
BACKENDS = (
    Backend("triton", lambda x: why_no_triton(x, f"{_PACKAGE}.triton")),
    Backend("cpu", lambda x: ""),
    Backend("reference", lambda x: "", automatic=False),
)
_MODULES = {"triton": "triton", "cpu": "chunked", "reference": "reference"}


@torch.compiler.assume_constant_result
def pick(x: Tensor, request: str | None = None) -> str:
    """The backend for an input like `x`; `request` overrides `VITRAIL_KERNELS`."""
    return choose(OP, BACKENDS, x, request)


def forward(name: str) -> Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]:
    return import_module(f"{_PACKAGE}.{_MODULES[name]}").forward


def backward(name: str) -> Callable[..., tuple[Tensor, Tensor]]:
    return import_module(f"{_PACKAGE}.{_MODULES[name]}").backward


def doctor() -> Iterable[DoctorLine]:
    """One line for each kind of device on this machine."""
    yield doctor_line(OP, BACKENDS, torch.empty(0))
    if torch.cuda.is_available():
        yield doctor_line(OP, BACKENDS, torch.empty(0, device="cuda"))
