"""Face data in the layouts that people have: folders, RecordIO, webdataset tars, .bin pairs, IJB.

`open_faces(path)` finds out which one a path is. Labelled faces (see `Faces`) are sequences: `len(faces)`,
and `faces[i] -> (image (H, W, 3) uint8 RGB, label)`; they have `classes`, `labels` and, where known, `names`.

A picture that cannot be decoded raises InputError, and `Readable` leaves it out with a count. What makes a
data set wrong as a whole (a truncated file, a missing index, a label out of range) is a plain UsageError: it
stops.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitrail_recognition.readers.bins import PairBin, read_bin, write_bin
    from vitrail_recognition.readers.faces import Faces, Readable
    from vitrail_recognition.readers.folder import FolderFaces
    from vitrail_recognition.readers.ijb import IJB
    from vitrail_recognition.readers.opening import open_faces
    from vitrail_recognition.readers.record_faces import RecordFaces, write_record_faces
    from vitrail_recognition.readers.recordio import RecordFile, RecordWriter, rebuild_index
    from vitrail_recognition.readers.webdataset import TarFaces

_HOMES = {
    "Faces": "faces",
    "FolderFaces": "folder",
    "IJB": "ijb",
    "PairBin": "bins",
    "Readable": "faces",
    "RecordFaces": "record_faces",
    "RecordFile": "recordio",
    "RecordWriter": "recordio",
    "TarFaces": "webdataset",
    "open_faces": "opening",
    "read_bin": "bins",
    "rebuild_index": "recordio",
    "write_bin": "bins",
    "write_record_faces": "record_faces",
}

__all__ = [
    "Faces",
    "FolderFaces",
    "IJB",
    "PairBin",
    "Readable",
    "RecordFaces",
    "RecordFile",
    "RecordWriter",
    "TarFaces",
    "open_faces",
    "read_bin",
    "rebuild_index",
    "write_bin",
    "write_record_faces",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
