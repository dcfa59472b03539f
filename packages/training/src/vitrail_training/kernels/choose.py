"""Which implementation of an op runs. The device is always the input's; nothing here moves a tensor.

`VITRAIL_KERNELS=auto|reference|triton|cpu` (an op may offer further names). A name that is asked for and cannot
run is an error. `auto`, the default, takes the first backend that can run, and `vitrail doctor` says which and why.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from vitrail.errors import UsageError
from vitrail.specs import DoctorLine

if TYPE_CHECKING:
    import torch

VARIABLE = "VITRAIL_KERNELS"
STANDARD = ("auto", "reference", "triton", "cpu")


@dataclass(frozen=True)
class Backend:
    """One implementation of an op.

    `why_not(tensor)` is the reason why it cannot run for an input like `tensor` (its device and dtype count),
    or an empty string. `automatic=False` keeps it out of `auto`.
    """

    name: str
    why_not: Callable[[torch.Tensor], str]
    automatic: bool = True


_PROBLEMS: dict[str, str] = {}


def why_no_triton(tensor: torch.Tensor, module: str) -> str:
    """Why the Triton kernels in `module`, which compute in float32, cannot take `tensor`, or an empty string."""
    if tensor.device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        return f"it needs a CUDA device and the input is on {tensor.device.type}"
    return _no_float64(tensor) or import_problem(module)


def why_no_cpu(tensor: torch.Tensor, module: str) -> str:
    """The same of numba's loops in `module`."""
    if tensor.device.type != "cpu":
        return f"it needs an input on the CPU and this one is on {tensor.device.type}"
    return _no_float64(tensor) or import_problem(module)


def import_problem(module: str) -> str:
    """Why a backend's module cannot be imported, or an empty string. Compiling counts as importing."""
    import torch

    if module in _PROBLEMS:
        return _PROBLEMS[module]
    problem = ""
    try:
        import_module(module)
    except (
        Exception
    ) as error:  # a broken numba, triton or CUDA library fails in many ways; all mean "cannot run"
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
    if not torch.compiler.is_compiling():  # numba cannot be imported while torch traces: no lasting problem
        _PROBLEMS[module] = problem
    return problem


def _no_float64(tensor: torch.Tensor) -> str:
    return "it computes in float32 and the input is float64" if str(tensor.dtype) == "torch.float64" else ""


def requested() -> str:
    """The value of `VITRAIL_KERNELS`, or "auto"."""
    return os.environ.get(VARIABLE, "").strip().lower() or "auto"


def choose(op: str, backends: Sequence[Backend], tensor: torch.Tensor, request: str | None = None) -> str:
    """The name of the backend that runs `op` for an input like `tensor`.

    `backends` are in order of preference, and the last one must always run (the reference). `request` overrides
    `VITRAIL_KERNELS`. Raises UsageError for an unknown name and for a named backend that cannot run.
    """
    origin = f"{VARIABLE}=" if request is None else "backend="
    name = requested() if request is None else request
    if name == "auto":
        return next(backend.name for backend in backends if backend.automatic and not backend.why_not(tensor))
    found = {backend.name: backend for backend in backends}.get(name)
    if found is None:
        offered = sorted({"auto"} | {backend.name for backend in backends})
        standard = f", which {op} does not have" if name in STANDARD else " is unknown"
        raise UsageError(f"{origin}{name}{standard}: {op} offers {', '.join(offered)}.")
    reason = found.why_not(tensor)
    if reason:
        raise UsageError(f"{origin}{name} was asked for, but {op} cannot use it: {reason}. Use {origin}auto.")
    return name


def doctor_line(op: str, backends: Sequence[Backend], tensor: torch.Tensor) -> DoctorLine:
    """What `vitrail doctor` says about `op` for inputs like `tensor`: the choice, and why not a better one."""
    try:
        name = choose(op, backends, tensor)
    except UsageError as error:
        return DoctorLine(level="problem", text=str(error))
    where = f"{op} on {tensor.device.type}: {name}"
    if requested() != "auto":
        return DoctorLine(level="ok", text=f"{where} (asked for by {VARIABLE})")
    better = []
    for backend in backends:
        if backend.name == name:
            break
        if backend.automatic:
            better.append(backend)
    reasons = [f"{backend.name} cannot run: {backend.why_not(tensor)}" for backend in better]
    if name == "reference":
        return DoctorLine(
            level="problem", text=f"{where}, which is slow ({'; '.join(reasons)})" if reasons else where
        )
    return DoctorLine(level="ok", text=where)
