"""TopoFR (NeurIPS 2024): a face recogniser whose feature space keeps the topology of its input space.

Importing this package imports no torch; the names below are looked up when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitrail_topofr.config import MethodConfig, TopoFRConfig
    from vitrail_topofr.kernels.persistence import persistence
    from vitrail_topofr.model import IResNet
    from vitrail_topofr.recognizer import TopoFRRecognizer

_WHERE = {
    "IResNet": "model",
    "MethodConfig": "config",
    "TopoFRConfig": "config",
    "TopoFRRecognizer": "recognizer",
    "persistence": "kernels.persistence",
}

__all__ = ["IResNet", "MethodConfig", "TopoFRConfig", "TopoFRRecognizer", "persistence"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
