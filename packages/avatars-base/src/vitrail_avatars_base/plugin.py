"""What this package says to Vitrail's plugin manager, which is the only one to read this. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from vitrail.hookspecs import hookimpl
from vitrail.specs import DoctorLine
from vitrail_avatars_base import PIPELINE


@hookimpl
def vitrail_doctor() -> Iterable[DoctorLine]:
    if not (PIPELINE / "unet" / "diffusion_pytorch_model.safetensors").is_file():
        yield DoctorLine(
            level="problem", text=f"weights are missing in {PIPELINE}; install the package again"
        )
    elif find_spec("diffusers") is None:
        yield DoctorLine(
            level="note", text="drawing with avatars-base needs: pip install diffusers transformers"
        )
    else:
        yield DoctorLine(level="ok", text=f"avatars-base is in {PIPELINE}")
