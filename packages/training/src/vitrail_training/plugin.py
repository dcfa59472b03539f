"""The plugin module of this package: it brings no component, and tells `vitrail doctor` about torch."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from vitrail.hookspecs import hookimpl
from vitrail.specs import DoctorLine

EXTRAS = {"export": ("onnx", "onnxscript", "onnxruntime"), "track": ("tensorboard",)}


@hookimpl
def vitrail_doctor() -> Iterable[DoctorLine]:
    try:
        import torch
    except ImportError as error:
        return [
            DoctorLine(
                level="problem", text=f"torch cannot be imported ({error}); reinstall vitrail-training"
            )
        ]
    lines = [
        DoctorLine(
            level="ok",
            text=f"torch {torch.__version__}, accelerate {_version('accelerate')}, numba {_version('numba')}, "
            f"triton {_version('triton')}; {torch.get_num_threads()} threads",
        ),
        _device_line(),
        _kernels_line(),
    ]
    for extra, packages in EXTRAS.items():
        missing = [package for package in packages if find_spec(package) is None]
        if missing:
            text = f"{', '.join(missing)} not installed: pip install 'vitrail-training[{extra}]'"
            lines.append(DoctorLine(level="note", text=text))
    return lines


def _device_line() -> DoctorLine:
    import torch

    if not torch.cuda.is_available():
        return DoctorLine(level="note", text="no CUDA device; training and inference run on the CPU")
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return DoctorLine(level="ok", text=f"CUDA {torch.version.cuda}: {', '.join(names)}")


def _kernels_line() -> DoctorLine:
    from vitrail_training.kernels.choose import STANDARD, VARIABLE, requested

    backend = requested()
    if backend not in STANDARD:
        text = f"{VARIABLE} is {backend!r}, none of {', '.join(STANDARD)}: ops that do not offer it stop with an error"
        return DoctorLine(level="note", text=text)
    return DoctorLine(level="ok", text=f"kernel backend: {backend} ({VARIABLE})")


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
