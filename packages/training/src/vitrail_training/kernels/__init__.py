"""What a package with kernels needs: backend choice, checks of an op, and compile tests without a GPU.

choose       which implementation runs (`VITRAIL_KERNELS`)
check        `check_op`: values, gradients, registration, layouts, empty inputs against a reference
interpreter  Triton's interpreter in a process of its own
aot          ahead-of-time compilation of Triton kernels for GPUs that are not there
timing       medians of several rivals, interleaved in one run, with a JSON record
"""

from __future__ import annotations

from importlib import import_module

_HOME = {
    "Backend": "choose",
    "choose": "choose",
    "doctor_line": "choose",
    "requested": "choose",
    "Case": "check",
    "check_op": "check",
    "error_ratio": "check",
    "run_interpreted": "interpreter",
    "compile_kernel": "aot",
    "ARCHITECTURES": "aot",
    "compare": "timing",
    "write_record": "timing",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
