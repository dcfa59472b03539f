"""The implementations of the class softmax, in order of preference, and what each one needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module

import torch
from torch import Tensor

from vitrail.specs import DoctorLine
from vitrail_training.kernels.choose import Backend, choose, doctor_line

OP = "the class softmax"
_PACKAGE = __name__.rpartition(".")[0]
_PROBLEMS: dict[str, str] = {}


def _no_triton(x: Tensor) -> str:
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if x.device.type != "cuda" and not interpreted:
        return f"it needs a CUDA device and the input is on {x.device.type}"
    if x.dtype == torch.float64:
        return "it computes in float32 and the input is float64"
    if "triton" not in _PROBLEMS:
        problem = ""
        try:
            import_module(f"{_PACKAGE}.triton")
        except Exception as error:  # a broken triton or CUDA library fails in many ways
            problem = f"{type(error).__name__}: {error}".splitlines()[0]
        if torch.compiler.is_compiling():
            return problem
        _PROBLEMS["triton"] = problem
    return _PROBLEMS["triton"]


# `chunked` is plain torch and runs on every device; it is what `cpu` names.
BACKENDS = (
    Backend("triton", _no_triton),
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
