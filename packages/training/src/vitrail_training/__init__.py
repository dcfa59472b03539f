"""The training loop, checkpoints, torch components and kernel tools that Vitrail's methods share.

Importing this package imports no torch; the names below are looked up when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitrail_training.component import TorchComponent
    from vitrail_training.config import FitConfig
    from vitrail_training.loop import fit
    from vitrail_training.run import FitResult
    from vitrail_training.stopping import Interrupted
    from vitrail_training.task import Task

_WHERE = {
    "FitConfig": "config",
    "FitResult": "run",
    "Interrupted": "stopping",
    "Task": "task",
    "TorchComponent": "component",
    "fit": "loop",
}

__all__ = ["fit", "Task", "FitConfig", "FitResult", "Interrupted", "TorchComponent"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
