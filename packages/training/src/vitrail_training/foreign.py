"""Checkpoints that other code wrote: tensors by name, and nothing in the file is executed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.serialization import safe_globals

from vitrail.errors import InputError, UsageError
from vitrail_training.weights import read_weights


def read_checkpoint(
    path: Path | str, *, within: Iterable[str] = ("state_dict",), prefixes: Iterable[str] = ("module",)
) -> dict[str, Tensor]:
    """The tensors of a .ckpt, .pt, .pth or .safetensors file by name; what is no tensor is left out.

    within: keys under which a checkpoint may hold the state dict. prefixes: what names may begin with, in any
    mixture, "module" standing for "module."; they are taken off.

    Raises UsageError: no such file; InputError: not a checkpoint, or one that asks for more than tensors, plain values
    and numpy's arrays; BrokenError: a damaged safetensors file.
    """
    path = Path(path)
    found = _read(path)
    for key in within:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    return _tensors(path, found, prefixes)


def read_parts(
    path: Path | str, parts: Iterable[str], *, prefixes: Iterable[str] = ("module",)
) -> dict[str, dict[str, Tensor]]:
    """The state dicts that one checkpoint holds under several keys, by key; those that it lacks are left out.

    A file that has none of them is taken as one state dict, with the key "". Otherwise as `read_checkpoint`.
    """
    path = Path(path)
    found = _read(path)
    held = {}
    if isinstance(found, Mapping):
        held = {key: found[key] for key in parts if isinstance(found.get(key), Mapping)}
    return {key: _tensors(path, part, prefixes) for key, part in (held or {"": found}).items()}


def fill(network: nn.Module, tensors: Mapping[str, Tensor], *, where: str, wanted: str) -> None:
    """Put `tensors` into `network`; they must be all of it (but for counts of batches) and nothing else, and finite.

    where, wanted: the file's name and what it should hold, for messages. Raises InputError.
    """
    own = network.state_dict()
    missing = [name for name in own if name not in tensors and not name.endswith("num_batches_tracked")]
    unknown = [name for name in tensors if name not in own]
    if missing or unknown:
        trouble = [f"lacks {name_some(missing)}"] if missing else []
        trouble += [f"has {name_some(unknown)}, which are not of it"] if unknown else []
        raise InputError(f"{where} {' and '.join(trouble)}; wanted is {wanted}.")
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise InputError(
                f"{where} has {name} of shape {tuple(tensor.shape)}; wanted is {tuple(own[name].shape)}, as in "
                f"{wanted}."
            )
        if not tensor.isfinite().all():
            raise InputError(f"{where} holds numbers in {name} that are not finite; get another file.")
    network.load_state_dict(dict(tensors), strict=False)


def name_some(names: list[str]) -> str:
    """The first three, and how many there are besides."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _tensors(path: Path, found: Any, prefixes: Iterable[str]) -> dict[str, Tensor]:
    """The tensors of a state dict by name, prefixes taken off."""
    if not isinstance(found, Mapping):
        raise InputError(
            f"{path.name} holds a {type(found).__name__}; wanted is a state dict, tensors by name."
        )
    beginning = re.compile(rf"^(?:(?:{'|'.join(map(re.escape, prefixes))})\.)+")
    return {beginning.sub("", str(name)): value for name, value in found.items() if isinstance(value, Tensor)}


def _read(path: Path) -> Any:
    """What torch.save wrote, of tensors, plain values and numpy's numbers and arrays alone."""
    if not path.is_file():
        raise UsageError(f"{path} does not exist; wanted is a checkpoint: .ckpt, .pt, .pth or .safetensors.")
    if path.suffix == ".safetensors":
        return read_weights(path)
    try:
        with warnings.catch_warnings(), safe_globals(_of_numpy()):
            warnings.simplefilter("ignore")  # about pickle protocols, for files that torch then refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises depends on where in the file the trouble lies
        raise InputError(_why_unreadable(path, error)) from error


def _of_numpy() -> list[Any]:
    """What pickles of numpy's numbers and arrays ask for, under the names of numpy 1 and 2."""
    array, number = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    homes = ("numpy.core.multiarray", "numpy._core.multiarray")
    makers = [(made, f"{home}.{made.__name__}") for home in homes for made in (array, number)]
    return [*makers, np.ndarray, np.dtype, *{type(np.dtype(code)) for code in "?bhilqBHILQefd"}]


def _why_unreadable(path: Path, error: Exception) -> str:
    asked = re.search(r"GLOBAL:? (\S+)", str(error))
    if asked:
        return (
            f"{path.name} asks for {asked[1]} while it is read, and nothing but tensors and plain values is read here. "
            "If you trust the file, save its state dict alone, torch.save(network.state_dict(), FILE), and convert "
            "that."
        )
    with path.open("rb") as file:
        damaged = file.read(2) == b"PK"
    what = "is cut off or damaged: get it again" if damaged else "is not a PyTorch checkpoint"
    return f"{path.name} {what}. Read are .ckpt, .pt and .pth as torch.save writes them, and .safetensors."
