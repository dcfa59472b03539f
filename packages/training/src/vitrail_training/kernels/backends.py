"""The implementations that an op usually has: Triton on a GPU, numba's loops on a CPU, and its definition in torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor

from vitrail.specs import DoctorLine
from vitrail_training.kernels.choose import Backend, choose, doctor_line, why_no_cpu, why_no_triton


class Backends:
    """The backends of an op whose package `home` has the modules `triton`, `cpu` and `reference`.

    title: what messages call the op. home: the package, by name. cpu: False where there is no such module, since the
    definition is what is meant to run on a CPU. refuses: further reasons why Triton cannot take an input.
    """

    def __init__(
        self, title: str, home: str, *, cpu: bool = True, refuses: Callable[[Tensor], str] = lambda x: ""
    ) -> None:
        self.title, self.home, self.cpu = title, home, cpu
        loops = [Backend("cpu", lambda x: why_no_cpu(x, f"{home}.cpu"))] if cpu else []
        self.all = (
            Backend("triton", lambda x: refuses(x) or why_no_triton(x, f"{home}.triton")),
            *loops,
            Backend("reference", lambda x: ""),
        )

    def pick(self, x: Tensor, request: str | None = None) -> str:
        """The backend for an input like `x`; `request` overrides `VITRAIL_KERNELS`."""
        return choose(self.title, self.all, x, request)

    def module(self, name: str) -> ModuleType:
        return import_module(f"{self.home}.{name}")

    def doctor(self) -> Iterable[DoctorLine]:
        """One line for each kind of device on this machine that has something to choose."""
        if self.cpu:
            yield doctor_line(self.title, self.all, torch.empty(0))
        if torch.cuda.is_available():
            yield doctor_line(self.title, self.all, torch.empty(0, device="cuda"))
