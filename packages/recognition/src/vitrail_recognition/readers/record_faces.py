"""Labelled faces in RecordIO, by insightface's convention: train.rec, train.idx and property.

Record 0 has no image and two labels [a, b]: images have the keys 1 to a - 1, identities the keys a to b - 1,
and an identity's record has the labels [first, last) of its images' keys. Sets made by im2rec have no such
record: then every key is an image. `property` is one line, "classes,height,width".
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail.files import write_text
from vitrail_recognition.decode import Pixels, decode_image, encode_image
from vitrail_recognition.readers.faces import check_labels, in_range, label_message
from vitrail_recognition.readers.recordio import Record, RecordFile, RecordWriter, pack

PROPERTY = "property"
EXACT = 1 << 24
"""Labels are float32, which holds whole numbers exactly up to here."""


class RecordFaces:
    """The images of a .rec file. A pickled RecordFaces is its path and the class count that was given.

    path: the .rec, or a folder with train.rec or one other .rec. classes: the number of identities; by
    default what `property` says, else the header record, else the labels themselves.

    Raises UsageError where the files do not fit together, InputError for a damaged image.
    """

    names: tuple[str, ...] | None = None

    def __init__(self, path: Path | str, *, classes: int | None = None) -> None:
        self.path = find_records(Path(path))
        self._given = classes
        self.file = RecordFile(self.path)
        if not len(self.file):
            raise UsageError(f"{self.file.index} lists no records; wanted are images.")
        header = self._header()
        if header is None:
            self.positions = np.arange(len(self.file))
        else:
            self.positions = self._images_before(header[0])
        self._known = self._known_classes(header)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "classes": self._given}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], classes=state["classes"])  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def classes(self) -> int:
        """Reads all labels where neither `property` nor a header record says it."""
        return self._known[0] if self._known else int(self.labels.max()) + 1

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(N,) int64, from the headers alone. UsageError for labels that are out of range or no whole
        numbers."""
        found = self.file.first_labels(self.positions)
        wrong = ~(np.isfinite(found) & (found == np.floor(found)))
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            raise UsageError(
                f"{self._where(place)} has the label {found[place]:g}; wanted is a whole number."
            )
        labels = found.astype(np.int64)
        classes, source = self._known or (None, "")
        check_labels(labels, classes, where=str(self.path), source=source)
        return labels

    def __getitem__(self, index: int) -> tuple[Pixels, int]:
        index = in_range(index, len(self))
        record = self.file.record(int(self.positions[index]))
        label = record.labels[0]
        where = self._where(index)
        if not label.is_integer():
            raise UsageError(f"{where} has the label {label:g}; wanted is a whole number.")
        if self._known and not 0 <= label < self._known[0]:
            raise UsageError(label_message(label, self._known[0], where=where, source=self._known[1]))
        return decode_image(record.content, where=where), int(label)

    def _where(self, index: int) -> str:
        return f"{self.path}, record {self.file.keys[self.positions[index]]}"

    def _header(self) -> tuple[int, int] | None:
        """The two numbers of the header record; None where the first record is an image."""
        if self.file.keys[0] != 0:
            return None
        first = self.file.record(0)
        if not first.is_array or first.content:
            return None
        if len(first.labels) != 2 or not all(label.is_integer() for label in first.labels):
            raise UsageError(
                f"{self.path} begins with a record that has no image and the labels {first.labels}; wanted "
                "are two numbers: one more than the last image's key, and one more than the last identity's."
            )
        return int(first.labels[0]), int(first.labels[1])

    def _images_before(self, end: int) -> NDArray[np.int64]:
        keys = self.file.keys
        positions: NDArray[np.int64] = np.flatnonzero((keys >= 1) & (keys < end))
        if len(positions) != end - 1:
            raise UsageError(
                f"{self.path} announces {end - 1} images, and {self.file.index.name} lists {len(positions)} "
                "of them: the two do not belong together, or one is cut short. Get both again."
            )
        return positions

    def _known_classes(self, header: tuple[int, int] | None) -> tuple[int, str] | None:
        if self._given is not None:
            return self._given, "the caller says that there are"
        path = self.path.with_name(PROPERTY)
        if path.is_file():
            return read_property(path)[0], f"{path} says that there are"
        if header is not None and header[1] > header[0]:
            return header[1] - header[0], "the header record says that there are"
        return None


def find_records(path: Path) -> Path:
    """The .rec that `path` is or, if a folder, has. UsageError where that is none or not clear."""
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.rec"))
    if (path / "train.rec") in found:
        return path / "train.rec"
    if len(found) != 1:
        names = f"{len(found)} of them: {', '.join(f.name for f in found[:4])}" if found else "none"
        raise UsageError(f"{path} has {names}; wanted is train.rec, or one .rec file.")
    return found[0]


def read_property(path: Path) -> tuple[int, int, int]:
    """classes, height, width of a `property` file. UsageError where it says something else."""
    try:
        classes, height, width = (int(part) for part in path.read_text(encoding="ascii").strip().split(","))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is damaged; wanted is one line such as 85742,112,112.") from error
    if min(classes, height, width) < 1:
        raise UsageError(f"{path} says {classes},{height},{width}; wanted are numbers above 0.")
    return classes, height, width


def write_record_faces(
    folder: Path | str,
    faces: Iterable[tuple[bytes | Pixels, int]],
    *,
    classes: int | None = None,
    size: tuple[int, int] = (112, 112),
    identities: bool = True,
) -> Path:
    """Write train.rec, train.idx and property to a folder; returns the .rec.

    faces: (encoded image, or uint8 RGB array, which becomes a JPEG; label), in the order of the labels where
    `identities` asks for insightface's header and identity records. classes: one more than the largest label
    by default.

    Raises UsageError for labels out of range or out of order; then no file appears.
    """
    path = Path(folder) / "train.rec"
    ends: dict[int, tuple[int, int]] = {}
    key = 0
    with RecordWriter(path) as writer:
        # patched at the end: both have the same length
        header = writer.write(0, pack(Record((0.0, 0.0), b"", is_array=True))) if identities else None
        for key, (image, label) in enumerate(faces, start=1):
            _check_label(label, classes)
            if identities and label in ends and ends[label][1] != key:
                raise UsageError(
                    f"Face {key - 1} has the label {label} again; give the faces sorted by label."
                )
            ends[label] = (ends.get(label, (key,))[0], key + 1)
            writer.write(key, pack(Record((float(label),), encode_image(image), id=key)))
        if not key:
            raise UsageError("No faces were given; wanted is at least one.")
        classes = max(ends) + 1 if classes is None else classes
        if header is not None:
            _check_header(key + 1, classes)
            for label in range(classes):
                first, last = ends.get(label, (key + 1, key + 1))
                number = key + 1 + label
                writer.write(number, pack(Record((float(first), float(last)), b"", id=number, is_array=True)))
            ranges = (float(key + 1), float(key + 1 + classes))
            writer.overwrite(header, pack(Record(ranges, b"", is_array=True)))
    write_text(path.with_name(PROPERTY), f"{classes},{size[0]},{size[1]}\n")
    return path


def _check_label(label: int, classes: int | None) -> None:
    if classes is not None and not 0 <= label < classes:
        raise UsageError(
            label_message(label, classes, where="A face", source="the caller says that there are")
        )
    if not 0 <= label < EXACT:
        raise UsageError(
            f"A face has the label {label}; RecordIO holds 0 to {EXACT - 1}, since labels are float32."
        )


def _check_header(end: int, classes: int) -> None:
    if any(int(np.float32(number)) != number for number in (end, end + classes)):
        raise UsageError(
            f"{end - 1} images and {classes} identities cannot be written in a header record, whose float32 "
            f"numbers are exact up to {EXACT}. Give identities=False: then every record is an image."
        )
