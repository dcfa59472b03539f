"""Class centres and their optimizer's state, whole, so that another number of processes can go on from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vitrail.errors import BrokenError, UsageError
from vitrail.files import atomic_path
from vitrail_recognition.centre_optimizer import CentreOptimizer
from vitrail_recognition.sharded import ShardedClassifier, shard
from vitrail_training.distributed import on_main, rank, world

AT_A_TIME = 1 << 16  # rows sent in one message


def gather_rows(rows: Tensor, classes: int) -> Tensor | None:
    """The rows of all processes in order, (classes, D) on the CPU, on process 0; None on the others.

    Every process calls it. At no time does a device hold more than its own rows and AT_A_TIME others.
    """
    rows = rows.detach()
    if rank() > 0:
        for part in rows.split(AT_A_TIME):
            if len(part):
                dist.send(part.contiguous(), 0)
        return None
    whole = torch.empty(classes, *rows.shape[1:], dtype=rows.dtype)
    whole[: len(rows)] = rows
    for sender in range(1, world()):
        theirs = shard(classes, sender, world())
        for first in range(theirs.start, theirs.stop, AT_A_TIME):
            part = rows.new_empty(min(AT_A_TIME, theirs.stop - first), *rows.shape[1:])
            dist.recv(part, sender)
            whole[first : first + len(part)] = part
    return whole


def full_state(classifier: ShardedClassifier, optimizer: CentreOptimizer | None = None) -> dict[str, Any]:
    """Everything that training goes on from, as process 0 saves it; on the other processes {}.

    Every process calls it. {"classes", "draws", "weight" (C, D), "rows" {name: (C, D)}, "shared" {name: value}}
    """
    weight = gather_rows(classifier.weight, classifier.classes)
    held = optimizer.state if optimizer is not None else {}
    rows, shared = {}, {}
    for name in sorted(held):
        if optimizer is not None and optimizer.has_rows(held[name]):
            rows[name] = gather_rows(held[name], classifier.classes)
        else:
            shared[name] = _copy(held[name])
    if rank() > 0:
        return {}
    return {
        "classes": classifier.classes,
        "draws": classifier.draws,
        "weight": weight,
        "rows": rows,
        "shared": shared,
    }


@torch.no_grad()
def load_full_state(
    classifier: ShardedClassifier, state: Mapping[str, Any], optimizer: CentreOptimizer | None = None
) -> None:
    """Take this process's rows of what `full_state` gave, whatever the number of processes was then.

    Every process is given the same whole state (on the CPU). Raises UsageError where the classes are others.
    """
    _check_shape(classifier, tuple(state["weight"].shape), "The checkpoint")
    device = classifier.weight.device
    classifier.weight.copy_(state["weight"][classifier.rows])
    classifier.draws = int(state["draws"])
    if optimizer is None:
        return
    held = optimizer.state
    held.clear()
    for name, value in state["rows"].items():
        held[name] = value[classifier.rows].to(device, copy=True)
    for name, value in state["shared"].items():
        held[name] = _copy(value)


def write_centres(path: Path | str, classifier: ShardedClassifier) -> None:
    """Write all class centres to a safetensors file, as "weight" (C, D). Every process calls it."""
    weight = gather_rows(classifier.weight, classifier.classes)

    def write() -> None:
        with atomic_path(path) as temporary:
            save_file({"weight": weight}, temporary, metadata={"format": "pt"})

    on_main(write)


@torch.no_grad()
def read_centres(path: Path | str, classifier: ShardedClassifier, name: str = "weight") -> None:
    """Take this process's rows of a safetensors file; no process reads more than its own.

    Raises UsageError (no such file, other classes) or BrokenError (unreadable).
    """
    if not Path(path).is_file():
        raise UsageError(f"{path} does not exist; wanted is a safetensors file of class centres.")
    try:
        with safe_open(path, framework="pt") as file:
            if name not in file.keys():  # noqa: SIM118 - it is no mapping
                raise UsageError(
                    f"{path} holds no tensor {name!r}; it holds {', '.join(list(file.keys())[:5])}."
                )
            stored = file.get_slice(name)
            _check_shape(classifier, tuple(stored.get_shape()), str(path))
            rows = classifier.rows
            if rows.stop > rows.start:
                classifier.weight.copy_(stored[rows.start : rows.stop])
    except (SafetensorError, OSError, ValueError) as error:
        raise BrokenError(f"{path} is not a whole safetensors file ({error}). Get it again.") from error


def _copy(value: Any) -> Any:
    """Optimizers change such a count in place."""
    return value.clone() if isinstance(value, Tensor) else value


def _check_shape(classifier: ShardedClassifier, found: tuple[int, ...], where: str) -> None:
    wanted = (classifier.classes, classifier.width)
    if found != wanted:
        raise UsageError(
            f"{where} holds class centres {found}, and this run has {wanted} (classes, width). Train on the same "
            "classes, or start the centres afresh."
        )
