"""Which of the formats a path is."""

from __future__ import annotations

from pathlib import Path

from vitrail.errors import UsageError
from vitrail_recognition.readers.bins import PairBin, read_bin
from vitrail_recognition.readers.faces import Faces
from vitrail_recognition.readers.folder import FolderFaces, subfolders
from vitrail_recognition.readers.ijb import IJB, is_ijb
from vitrail_recognition.readers.record_faces import RecordFaces
from vitrail_recognition.readers.webdataset import TarFaces

WANTED = (
    "a .rec (with its .idx), a .tar, a .bin, or a folder with train.rec, with .tar shards, with meta and "
    "loose_crop of IJB, or with one folder for each identity"
)


def open_faces(path: Path | str, *, classes: int | None = None) -> Faces | PairBin | IJB:
    """Open face data in whatever layout it has: labelled faces, a set of pairs (.bin), or an IJB folder.

    classes: how many identities there are, for RecordIO and tars that do not say it. Raises UsageError for a
    path that is none of the layouts.
    """
    path = Path(path)
    if path.is_dir():
        return _open_folder(path, classes)
    if not path.exists():
        raise UsageError(f"{path} does not exist; wanted is {WANTED}.")
    suffix = path.suffix.lower()
    if suffix == ".rec":
        return RecordFaces(path, classes=classes)
    if suffix == ".tar":
        return TarFaces(path, classes=classes)
    if suffix == ".bin":
        return read_bin(path)
    if suffix == ".idx":
        raise UsageError(
            f"{path} is the index of a RecordIO file; give {path.with_suffix('.rec').name} itself."
        )
    raise UsageError(f"{path} is none of the layouts that are known; wanted is {WANTED}.")


def _open_folder(path: Path, classes: int | None) -> Faces | IJB:
    if is_ijb(path):
        return IJB(path)
    if any(path.glob("*.rec")):
        return RecordFaces(path, classes=classes)
    if any(path.glob("*.tar")):
        return TarFaces(path, classes=classes)
    if not subfolders(path):
        raise UsageError(f"{path} is none of the layouts that are known; wanted is {WANTED}.")
    faces = FolderFaces(path)
    if classes is not None and classes != faces.classes:
        raise UsageError(f"{path} holds {faces.classes} identities; {classes} were asked for.")
    return faces
