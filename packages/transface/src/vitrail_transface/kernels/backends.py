"""The implementations that an op of this package has: Triton on a GPU, and its definition in plain torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

import torch
from torch import Tensor

from vitrail.specs import DoctorLine
from vitrail_training.kernels.choose import Backend, choose, doctor_line, why_no_triton

_PACKAGE = __name__.rpartition(".")[0]


class Backends:
    """The backends of the op in `kernels/<op>/`: modules `triton` and `reference` there.

    refuses: further reasons why Triton cannot take an input, as a function of it.
    """

    def __init__(self, op: str, refuses: Callable[[Tensor], str] = lambda x: "") -> None:
        self.op, self.refuses = op, refuses
        self.all = (Backend("triton", self._no_triton), Backend("reference", lambda x: ""))

    @property
    def title(self) -> str:
        return f"transface's {self.op}"

    def pick(self, x: Tensor, request: str | None = None) -> str:
        """The backend for an input like `x`; `request` overrides `VITRAIL_KERNELS`."""
        return choose(self.title, self.all, x, request)

    def module(self, name: str):
        return import_module(f"{_PACKAGE}.{self.op}.{name}")

    def doctor(self) -> Iterable[DoctorLine]:
        """One line for each kind of device that has a kernel to choose."""
        # On a CPU the definition is what is meant to run, so there is nothing to report.
        if torch.cuda.is_available():
            yield doctor_line(self.title, self.all, torch.empty(0, device="cuda"))

    def _no_triton(self, x: Tensor) -> str:
        return self.refuses(x) or why_no_triton(x, f"{_PACKAGE}.{self.op}.triton")
