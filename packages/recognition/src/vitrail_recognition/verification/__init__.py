"""How well embeddings tell people apart: 10-fold accuracy, ROC, TAR at FAR, IJB 1:1, and calibrated
thresholds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitrail_recognition.verification.calibration import (
        Calibration,
        Verdict,
        calibrate,
        read_calibration,
        weights_hash,
    )
    from vitrail_recognition.verification.embedding import Embedder, embed_faces
    from vitrail_recognition.verification.ijb import pair_scores, template_features
    from vitrail_recognition.verification.pairs import make_pairs
    from vitrail_recognition.verification.roc import Roc, roc_curve
    from vitrail_recognition.verification.tenfold import (
        TenFold,
        squared_distances,
        tar_at_far,
        tenfold_accuracy,
    )

_HOMES = {
    "Calibration": "calibration",
    "Embedder": "embedding",
    "Roc": "roc",
    "TenFold": "tenfold",
    "Verdict": "calibration",
    "calibrate": "calibration",
    "embed_faces": "embedding",
    "make_pairs": "pairs",
    "pair_scores": "ijb",
    "read_calibration": "calibration",
    "roc_curve": "roc",
    "squared_distances": "tenfold",
    "tar_at_far": "tenfold",
    "template_features": "ijb",
    "tenfold_accuracy": "tenfold",
    "weights_hash": "calibration",
}

__all__ = [
    "Calibration",
    "Embedder",
    "Roc",
    "TenFold",
    "Verdict",
    "calibrate",
    "embed_faces",
    "make_pairs",
    "pair_scores",
    "read_calibration",
    "roc_curve",
    "squared_distances",
    "tar_at_far",
    "template_features",
    "tenfold_accuracy",
    "weights_hash",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
