"""CM-UNet (arXiv 2405.10530): a CNN encoder and a decoder of selective scans, for remote-sensing images.

Importing this package imports no torch; the names below are looked up when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitrail_cmunet.config import CMUNetConfig
    from vitrail_cmunet.model import CMUNet
    from vitrail_cmunet.segmenter import CMUNetSegmenter

_WHERE = {
    "CMUNet": "model",
    "CMUNetConfig": "config",
    "CMUNetSegmenter": "segmenter",
}

__all__ = ["CMUNet", "CMUNetConfig", "CMUNetSegmenter"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
