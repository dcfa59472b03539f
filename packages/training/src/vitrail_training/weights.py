"""Weights files: safetensors, loaded strictly, written whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vitrail.component import read_record
from vitrail.errors import BrokenError, UsageError
from vitrail.files import atomic_path

WEIGHTS_FILE = "model.safetensors"
Dtype = Literal["fp32", "fp16", "bf16"]
_DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def write_weights(path: Path | str, network: nn.Module, dtype: Dtype | None = None) -> Path:
    """Write the network's state; `dtype` stores its floating-point tensors shorter (None leaves them).

    Raises UsageError where a value is too large for `dtype`.
    """
    if dtype is not None and dtype not in _DTYPES:
        raise UsageError(f"dtype is {dtype!r}; wanted is one of {', '.join(_DTYPES)}.")
    stored: dict[str, Tensor] = {}
    for name, value in network.state_dict().items():
        value = value.detach().to("cpu", copy=True).contiguous()
        if dtype is not None and value.is_floating_point():
            short = value.to(_DTYPES[dtype])
            if not torch.equal(short.isfinite(), value.isfinite()):
                raise UsageError(
                    f"{name} holds {value.abs().max():.3g}, too large for {dtype}; store it as bf16 or fp32."
                )
            value = short
        stored[name] = value
    with atomic_path(path) as temporary:
        save_file(stored, temporary, metadata={"format": "pt"})
    return Path(path)


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """The tensors in a safetensors file, on the CPU. UsageError: no such file; BrokenError: unreadable."""
    if not Path(path).is_file():
        raise UsageError(f"{path} does not exist; wanted is a safetensors file of weights.")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise BrokenError(f"{path} is not a whole safetensors file ({error}). Get it again.") from error


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor], *, where: str) -> None:
    """Copy `tensors` into the network; every name and shape must fit. Shorter dtypes are widened."""
    check_fits(tensors, network.state_dict(), where=where)
    network.load_state_dict(dict(tensors))


def check_fits(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, where: str) -> None:
    """Raises BrokenError that names the tensors by which `found` is not of the network `wanted`."""
    wrong = [
        f"{name} is {tuple(found[name].shape)} there and {tuple(value.shape)} here"
        for name, value in wanted.items()
        if name in found and found[name].shape != value.shape
    ]
    missing = [name for name in wanted if name not in found]
    extra = [name for name in found if name not in wanted]
    complaints = [_some(wrong)] if wrong else []
    if missing:
        complaints.append(f"missing there: {_some(missing)}")
    if extra:
        complaints.append(f"unknown here: {_some(extra)}")
    if complaints:
        raise BrokenError(
            f"{where} is of another network: {'; '.join(complaints)}. Use the config it was made with."
        )


def _some(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def weights_sha256(folder: Path | str) -> str:
    """The SHA-256 of a component's weights file, in hexadecimal: what `trained_on` records."""
    path = Path(folder) / WEIGHTS_FILE
    if not path.is_file():
        raise UsageError(f"{folder} holds no {WEIGHTS_FILE}; wanted is a folder that save_pretrained wrote.")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_trained_on(folder: Path | str, others: Mapping[str, Path | str]) -> None:
    """Raises UsageError when the weights in `folder` were trained on other weights than those in `others`.

    others: component id -> folder of the weights that are about to be used together with these. Ids that
    `folder` records nothing about are accepted.
    """
    trained_on = read_record(folder).get("trained_on", {})
    for component, other in others.items():
        wanted = trained_on.get(component)
        if wanted is not None and (found := weights_sha256(other)) != wanted:
            raise UsageError(
                f"{folder} was trained on weights of {component} with SHA-256 {wanted[:12]}..., and {other} has "
                f"{found[:12]}...: use the weights it was trained on, or train it again."
            )
