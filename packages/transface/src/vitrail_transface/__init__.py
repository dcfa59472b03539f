"""TransFace (arXiv 2308.10133): a ViT face recogniser, and the augmentation and sample mining that train it.

Importing this package imports no torch; the names below are looked up when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitrail_transface.config import DPAPConfig, EHSMConfig, TransFaceConfig
    from vitrail_transface.dpap import perturb
    from vitrail_transface.ehsm import sample_weights
    from vitrail_transface.model import TransFaceViT
    from vitrail_transface.probe import probe_gates
    from vitrail_transface.recognizer import TransFaceRecognizer

_WHERE = {
    "DPAPConfig": "config",
    "EHSMConfig": "config",
    "TransFaceConfig": "config",
    "TransFaceRecognizer": "recognizer",
    "TransFaceViT": "model",
    "perturb": "dpap",
    "probe_gates": "probe",
    "sample_weights": "ehsm",
}

__all__ = [
    "DPAPConfig",
    "EHSMConfig",
    "TransFaceConfig",
    "TransFaceRecognizer",
    "TransFaceViT",
    "perturb",
    "probe_gates",
    "sample_weights",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
