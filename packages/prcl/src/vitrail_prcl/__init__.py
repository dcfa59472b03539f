"""PRCL (arXiv 2402.18117): segmentation from few labels, with probabilistic representations of pixels.

Importing this package imports no torch; the names below are looked up when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitrail_prcl.config import PRCLConfig
    from vitrail_prcl.contrast import Contrast, Pixels
    from vitrail_prcl.model import PRCLNet
    from vitrail_prcl.prototypes import GlobalPrototypes
    from vitrail_prcl.score import mutual_likelihood_score
    from vitrail_prcl.segmenter import PRCLSegmenter

_WHERE = {
    "Contrast": "contrast",
    "GlobalPrototypes": "prototypes",
    "PRCLConfig": "config",
    "PRCLNet": "model",
    "PRCLSegmenter": "segmenter",
    "Pixels": "contrast",
    "mutual_likelihood_score": "score",
}

__all__ = [
    "Contrast",
    "GlobalPrototypes",
    "PRCLConfig",
    "PRCLNet",
    "PRCLSegmenter",
    "Pixels",
    "mutual_likelihood_score",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
