"""A folder of identities: one folder each, with that person's pictures in it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError
from vitrail_recognition.decode import Pixels, decode_image
from vitrail_recognition.readers.faces import in_range

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


class FolderFaces:
    """`root/identity/picture.jpg`. Identities are labelled in the order of their names, pictures likewise.

    Raises UsageError where there are no identities, or one without a picture, since its label would be
    unused.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise UsageError(
                f"{self.root} is no folder; wanted is a folder with one folder for each identity."
            )
        files: list[bytes] = []
        counts: list[int] = []
        self.names: tuple[str, ...] = tuple(subfolders(self.root))
        for name in self.names:
            pictures = pictures_in(self.root / name)
            if not pictures:
                raise UsageError(
                    f"{self.root / name} holds no picture ({', '.join(SUFFIXES)}). Remove the folder, or put "
                    "pictures right into it."
                )
            files += [os.fsencode(f"{name}/{picture}") for picture in pictures]
            counts.append(len(pictures))
        if not files:
            raise UsageError(f"{self.root} holds no folders; wanted is one folder for each identity.")
        # one array instead of a million strings: forked workers then share it
        self._files = np.array(files)
        self.labels: NDArray[np.int64] = np.repeat(np.arange(len(counts)), counts)

    @property
    def classes(self) -> int:
        return len(self.names)

    def __len__(self) -> int:
        return len(self._files)

    def path(self, index: int) -> Path:
        return self.root / os.fsdecode(bytes(self._files[index]))

    def __getitem__(self, index: int) -> tuple[Pixels, int]:
        index = in_range(index, len(self))
        path = self.path(index)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}.") from error
        return decode_image(data, where=str(path)), int(self.labels[index])


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones are left out."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def pictures_in(folder: Path) -> list[str]:
    """Names of the pictures in a folder, sorted; hidden ones are left out."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".") and entry.is_file()
        )
