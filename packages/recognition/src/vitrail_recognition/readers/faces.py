"""What labelled faces have in common, whatever files they lie in."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError

Pixels = NDArray[np.uint8]
_log = logging.getLogger(__name__)


class Faces(Protocol):
    """A sequence of labelled faces.

    classes: how many identities there are; labels are 0 to classes - 1. names: one an identity, where known.
    labels: (N,) int64, all of them without decoding a picture.
    """

    @property
    def classes(self) -> int: ...

    @property
    def names(self) -> tuple[str, ...] | None: ...

    @property
    def labels(self) -> NDArray[np.int64]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Pixels, int]:
        """Image (H, W, 3) uint8 RGB and label. InputError for a picture that cannot be decoded."""


class Readable:
    """Iterates over (index, image, label), leaving out pictures that cannot be decoded, with a count and a
    log line.

    indices: which faces, all of them by default. strict: raise the InputError instead. skipped: how many were
    left out so far.
    """

    def __init__(self, faces: Faces, indices: Iterable[int] | None = None, *, strict: bool = False) -> None:
        self.faces, self.strict = faces, strict
        self.indices = range(len(faces)) if indices is None else indices
        self.skipped = 0

    def __iter__(self) -> Iterator[tuple[int, Pixels, int]]:
        for index in self.indices:
            try:
                image, label = self.faces[index]
            except InputError as error:
                if self.strict:
                    raise
                self.skipped += 1
                _log.warning("Face %d is left out: %s", index, error)
                continue
            yield index, image, label


def in_range(index: int, length: int) -> int:
    """A sequence's index, counted from the end where it is negative. IndexError beyond the ends."""
    if not -length <= index < length:
        raise IndexError(f"index {index} of {length} faces")
    return index + length if index < 0 else index


def check_labels(labels: NDArray[np.int64], classes: int | None, *, where: str, source: str) -> int:
    """The number of classes; by default one more than the largest label. UsageError for a label out of range.

    source: who says that there are `classes`, for the message.
    """
    lowest, highest = int(labels.min(initial=0)), int(labels.max(initial=-1))
    if classes is None:
        classes = highest + 1
    if lowest < 0 or highest >= classes:
        raise UsageError(
            label_message(lowest if lowest < 0 else highest, classes, where=where, source=source)
        )
    return classes


def label_message(label: float, classes: int, *, where: str, source: str) -> str:
    return (
        f"{where} has the label {label:g}; {source} {classes} classes, so wanted are labels 0 to "
        f"{classes - 1}. Give the right number of classes, or renumber the labels."
    )
