"""The implementations of H0 persistence, in order of preference, and what each one needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module

import torch
from torch import Tensor

from vitrail.specs import DoctorLine
from vitrail_training.kernels.choose import Backend, choose, doctor_line

OP = "topofr's persistence"
_PACKAGE = __name__.rpartition(".")[0]


def _no_triton(x: Tensor) -> str:
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if x.device.type != "cuda" and not interpreted:
        return f"it needs a CUDA device and the input is on {x.device.type}"
    if x.dtype == torch.float64:
        return "it compares in float32 and the input is float64"
    return _import_problem("triton")


def _no_cpu(x: Tensor) -> str:
    if x.device.type != "cpu":
        return f"it needs an input on the CPU and this one is on {x.device.type}"
    if x.dtype == torch.float64:
        return "it compares in float32 and the input is float64"
    return _import_problem("cpu")


_PROBLEMS: dict[str, str] = {}


def _import_problem(module: str) -> str:
    """Why the module of a backend cannot be imported, or an empty string. Compiling counts as importing."""
    if module in _PROBLEMS:
        return _PROBLEMS[module]
    problem = ""
    try:
        import_module(f"{_PACKAGE}.{module}")
    except Exception as error:  # a broken numba, triton or CUDA library fails in many ways
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
    if not torch.compiler.is_compiling():  # numba cannot be imported while torch traces
        _PROBLEMS[module] = problem
    return problem


BACKENDS = (
    Backend("triton", _no_triton),
    Backend("cpu", _no_cpu),
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
