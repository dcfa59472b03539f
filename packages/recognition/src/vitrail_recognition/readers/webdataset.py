"""Labelled faces in tar shards, by the naming of webdataset: key.jpg beside key.cls or key.json.

The shards are read by the standard library alone: their members' headers once, to know what lies where, and
then each picture by a seek. So faces can be had in any order, and nothing is open between two of them.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError
from vitrail_recognition.decode import Pixels, decode_image
from vitrail_recognition.readers.faces import check_labels, in_range
from vitrail_recognition.readers.folder import SUFFIXES

LABEL_NAMES = ("label", "cls", "class")


class TarFaces:
    """Faces in uncompressed .tar files: the ones given, or all in a folder, in the order of their names.

    A label is a whole number in key.cls, or in key.json under "label", "cls" or "class". classes: by default
    one more than the largest label.

    Raises UsageError for truncated or compressed shards, and pictures without a label.
    """

    names: tuple[str, ...] | None = None

    def __init__(self, path: Path | str | Sequence[Path | str], *, classes: int | None = None) -> None:
        self.shards = _shards(path)
        members: list[tuple[str, int, int]] = []
        places: list[int] = []
        labels: list[int] = []
        for place, shard in enumerate(self.shards):
            found, theirs = _index(shard)
            members += found
            labels += theirs
            places += [place] * len(found)
        if not members:
            raise UsageError(
                f"{self.shards[0].parent} has no pictures in its .tar files; wanted are key.jpg."
            )
        self._names = np.array([name.encode() for name, _, _ in members])
        self._spans = np.array([span for _, *span in members], np.int64)
        self._places = np.array(places, np.int32)
        self.labels: NDArray[np.int64] = np.array(labels, np.int64)
        self.classes = check_labels(
            self.labels, classes, where=str(self.shards[0].parent), source="the caller says that there are"
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Pixels, int]:
        index = in_range(index, len(self))
        shard, (offset, size) = self.shards[self._places[index]], self._spans[index].tolist()
        where = f"{shard}, {bytes(self._names[index]).decode()}"
        try:
            with shard.open("rb") as file:
                file.seek(offset)
                data = file.read(size)
        except OSError as error:
            raise InputError(f"{where} cannot be read: {error.strerror}.") from error
        return decode_image(data, where=where), int(self.labels[index])


def _shards(path: Path | str | Sequence[Path | str]) -> list[Path]:
    if not isinstance(path, Path | str):
        shards = [Path(each) for each in path]
    elif Path(path).is_dir():
        shards = sorted(Path(path).glob("*.tar"))
    else:
        shards = [Path(path)]
    if not shards:
        raise UsageError(f"{path} has no .tar files; wanted are shards such as 00000.tar.")
    return shards


def _index(shard: Path) -> tuple[list[tuple[str, int, int]], list[int]]:
    """(name, offset, size) of every picture in a shard, and their labels."""
    pictures: dict[str, tuple[str, int, int]] = {}
    labels: dict[str, int] = {}
    try:
        length = shard.stat().st_size
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                key, _, ending = member.name.rpartition("/")[2].partition(".")
                key = f"{member.name.rpartition('/')[0]}/{key}"
                if not member.isreg():
                    continue
                if member.offset_data + member.size > length:
                    raise tarfile.ReadError(f"{member.name} is not whole")
                if f".{ending.lower()}" in SUFFIXES:
                    if key in pictures:
                        raise UsageError(
                            f"{shard} has two pictures of one key, {pictures[key][0]} and {member.name}."
                        )
                    pictures[key] = (member.name, member.offset_data, member.size)
                elif ending in ("cls", "json"):
                    file = archive.extractfile(member)
                    assert file is not None
                    label = _label(file.read(), ending, where=f"{shard}, {member.name}")
                    if label is not None and (ending == "cls" or key not in labels):
                        labels[key] = label
                archive.members.clear()  # else every header of the shard stays in memory
    except FileNotFoundError as error:
        raise UsageError(f"{shard} does not exist; wanted is a .tar of key.jpg and key.cls.") from error
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UsageError(
            f"{shard} is truncated, or no uncompressed .tar ({error}). Get it again, or unpack a .tar.gz with "
            "gunzip."
        ) from error
    for key, (name, _, _) in pictures.items():
        if key not in labels:
            raise UsageError(
                f"{shard} has {name} without a label; wanted is a whole number in {key.lstrip('/')}.cls, or in "
                f'{key.lstrip("/")}.json as "label".'
            )
    return list(pictures.values()), [labels[key] for key in pictures]


def _label(data: bytes, ending: str, *, where: str) -> int | None:
    """The label; None where a .json says nothing about it."""
    try:
        if ending == "cls":
            return int(data)
        values = json.loads(data)
        found = (
            [values[name] for name in LABEL_NAMES if name in values] if isinstance(values, dict) else [values]
        )
        if not found:
            return None
        if isinstance(found[0], bool) or not isinstance(found[0], int):
            raise ValueError
        return found[0]
    except ValueError as error:
        raise UsageError(f"{where} does not say a label; wanted is a whole number.") from error
