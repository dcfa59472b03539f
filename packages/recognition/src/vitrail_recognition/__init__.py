"""Find, align, compare and verify faces with any Vitrail recogniser; margins and sharded softmax to train one.

From a photograph to an answer: `open_photo`, `find_faces`, `compare_photos`, `build_gallery`, `identify_faces`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitrail_recognition.compare import Comparison
    from vitrail_recognition.compare import compare as compare_photos
    from vitrail_recognition.faces import AlignedFace, FaceFinder, find_faces
    from vitrail_recognition.gallery import Gallery, read_gallery
    from vitrail_recognition.gallery_build import build_gallery
    from vitrail_recognition.identify import Identification
    from vitrail_recognition.identify import identify as identify_faces
    from vitrail_recognition.photo import open_photo
    from vitrail_recognition.recognizers import load_recognizer

# name here -> module and name there; `detect`, `align`, `compare` and `identify` are modules too
_HOMES = {
    "AlignedFace": ("faces", "AlignedFace"),
    "Comparison": ("compare", "Comparison"),
    "FaceFinder": ("faces", "FaceFinder"),
    "Gallery": ("gallery", "Gallery"),
    "Identification": ("identify", "Identification"),
    "build_gallery": ("gallery_build", "build_gallery"),
    "compare_photos": ("compare", "compare"),
    "find_faces": ("faces", "find_faces"),
    "identify_faces": ("identify", "identify"),
    "load_recognizer": ("recognizers", "load_recognizer"),
    "open_photo": ("photo", "open_photo"),
    "read_gallery": ("gallery", "read_gallery"),
}

__all__ = [
    "AlignedFace",
    "Comparison",
    "FaceFinder",
    "Gallery",
    "Identification",
    "build_gallery",
    "compare_photos",
    "find_faces",
    "identify_faces",
    "load_recognizer",
    "open_photo",
    "read_gallery",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = _HOMES[name]
    return getattr(import_module(f"{__name__}.{module}"), there)


def __dir__() -> list[str]:
    return __all__
