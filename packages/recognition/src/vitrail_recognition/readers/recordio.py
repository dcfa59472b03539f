"""MXNet's RecordIO without MXNet: the frames of a .rec file, its .idx, and the header of an image record.

A frame is: magic, 3 bits of flag and 29 of length, payload, zeros up to a multiple of 4; all words
little-endian. A payload that has the magic at a multiple of 4 is cut there: the magic is left out, and the
parts carry the flags first, middle and last (0 stands for a whole record). The .idx has a line for each
record: key, tab, byte offset.
"""

from __future__ import annotations

import mmap
import struct
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail.files import atomic_path

MAGIC = struct.pack("<I", 0xCED7230A)
WHOLE, FIRST, MIDDLE, LAST = range(4)
MAX_PART = (1 << 29) - 1
_WORDS = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")
HEADER_BYTES = _HEADER.size


class Record(NamedTuple):
    """An image record. labels: one number, or the array that replaces it; content: the encoded image, or
    nothing.

    is_array: whether the labels are stored as an array, which a single number may be, too.
    """

    labels: tuple[float, ...]
    content: bytes
    id: int = 0
    id2: int = 0
    is_array: bool = False


def pack(record: Record) -> bytes:
    """A record's payload: '<IfQQ' (count of array labels, label, id, id2), array labels in float32,
    content."""
    if not record.is_array:
        (label,) = record.labels
        return _HEADER.pack(0, label, record.id, record.id2) + record.content
    head = _HEADER.pack(len(record.labels), 0.0, record.id, record.id2)
    return head + np.array(record.labels, "<f4").tobytes() + record.content


def unpack(payload: bytes, *, where: str) -> Record:
    """The inverse of `pack`. UsageError for a payload too short for its own header."""
    if len(payload) < HEADER_BYTES:
        raise UsageError(f"{where} has {len(payload)} bytes; an image record has at least {HEADER_BYTES}.")
    count, label, id, id2 = _HEADER.unpack_from(payload)
    start = HEADER_BYTES + 4 * count
    if len(payload) < start:
        raise UsageError(
            f"{where} announces {count} labels and has {len(payload)} bytes: it is no image record."
        )
    labels = np.frombuffer(payload, "<f4", count, HEADER_BYTES).tolist() if count else [label]
    return Record(tuple(labels), payload[start:], id, id2, bool(count))


def frame(payload: bytes) -> bytes:
    """The payload as it stands in a .rec file. UsageError for a part of 512 MiB or more."""
    pieces: list[bytes] = []
    start = 0
    while (cut := _aligned_magic(payload, start)) >= 0:
        pieces += _part(MIDDLE if start else FIRST, payload[start:cut])
        start = cut + 4
    pieces += _part(LAST if start else WHOLE, payload[start:])
    return b"".join(pieces)


def _part(flag: int, data: bytes) -> tuple[bytes, bytes, bytes]:
    if len(data) > MAX_PART:
        raise UsageError(f"A record of {len(data)} bytes was given; RecordIO holds up to {MAX_PART}.")
    return MAGIC + struct.pack("<I", flag << 29 | len(data)), data, bytes(-len(data) % 4)


def _aligned_magic(payload: bytes, start: int) -> int:
    """Where the magic next stands at a multiple of 4, from `start` on; -1 where it does not."""
    place = payload.find(MAGIC, start)
    while place >= 0 and place % 4:
        place = payload.find(MAGIC, place + 1)
    return place


class RecordFile:
    """Random access to the records of a .rec file through its .idx, which lies beside it by default.

    The file is mapped, never read at a position of its own, so forked processes can share it. A pickled
    RecordFile is its two paths. keys, offsets: (N,) int64, in the order of the keys.

    Raises UsageError for a missing or damaged .idx, and for a .rec that is truncated.
    """

    def __init__(self, path: Path | str, index: Path | str | None = None) -> None:
        self.path = Path(path)
        self.index = self.path.with_suffix(".idx") if index is None else Path(index)
        self._bytes = _map(self.path)
        self.keys, self.offsets = read_index(self.index, self.path)
        if len(self.offsets):
            self._check_end()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "index": self.index}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], state["index"])  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, position: int) -> bytes:
        """The payload of the record at a position in the order of the keys."""
        return read_frame(self._bytes, int(self.offsets[position]), path=self.path)[0]

    def record(self, position: int) -> Record:
        return unpack(self[position], where=f"{self.path}, record {self.keys[position]}")

    def first_labels(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """The first label of each record, (N,) float32, without reading what follows the header."""
        labels = np.empty(len(positions), np.float32)
        if not len(positions):
            return labels
        data = np.frombuffer(self._bytes, np.uint8)
        for start in range(0, len(positions), 1 << 16):
            part = slice(start, start + (1 << 16))
            labels[part] = self._first_labels(data, positions[part])
        return labels

    def _first_labels(self, data: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[np.float32]:
        # words from the frame's start: magic, flag and length, count, label, id (2), id2 (2), first array label
        bytes_ = np.minimum(self.offsets[positions, None] + np.arange(36), len(data) - 1)
        words = np.ascontiguousarray(data[bytes_]).view("<u4")
        labels: NDArray[np.float32] = np.where(words[:, 2] > 0, words[:, 8], words[:, 3]).view("<f4")
        unusual = (words[:, 0] != _WORDS.unpack(MAGIC * 2)[0]) | ((words[:, 1] & MAX_PART) < HEADER_BYTES + 4)
        for place in np.flatnonzero(
            unusual
        ):  # damaged, without room for a label array, or cut within its header
            labels[place] = self.record(int(positions[place])).labels[0]
        return labels

    def _check_end(self) -> None:
        last = int(self.offsets.max())
        if last >= len(self._bytes):
            missing = int((self.offsets >= len(self._bytes)).sum())
            raise UsageError(
                f"{self.path} is truncated: it has {len(self._bytes)} bytes, and {missing} of the {len(self)} "
                f"records in {self.index.name} lie beyond. Copy or download it again."
            )
        read_frame(self._bytes, last, path=self.path)


class RecordWriter:
    """Writes a .rec and its .idx; both appear when the `with` block ends without an exception, or not at
    all."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._stack = ExitStack()
        self._keys: set[int] = set()

    def __enter__(self) -> RecordWriter:
        with ExitStack() as stack:
            index = stack.enter_context(atomic_path(self.path.with_suffix(".idx")))
            records = stack.enter_context(atomic_path(self.path))
            self._index: BinaryIO = stack.enter_context(index.open("wb"))
            self._records: BinaryIO = stack.enter_context(records.open("wb"))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, key: int, payload: bytes) -> int:
        """Append a record; returns its byte offset. UsageError for a key that is there already."""
        if key in self._keys:
            raise UsageError(f"The key {key} was written to {self.path} before; every record needs its own.")
        self._keys.add(key)
        offset = self._records.tell()
        self._records.write(frame(payload))
        self._index.write(b"%d\t%d\n" % (key, offset))
        return offset

    def overwrite(self, offset: int, payload: bytes) -> None:
        """Replace the record at `offset` by one whose frame has the same length."""
        end = self._records.tell()
        self._records.seek(offset)
        self._records.write(frame(payload))
        self._records.seek(end)


def read_index(index: Path, records: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keys and byte offsets, in the order of the keys. UsageError for a missing or damaged file."""
    try:
        text = index.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            f"{index} is missing; without it the records cannot be found one by one. Get it from where "
            f"{records.name} came from, or make it anew: "
            f"vitrail_recognition.readers.rebuild_index({str(records)!r})"
        ) from error
    except OSError as error:
        raise UsageError(f"{index} cannot be read: {error.strerror}.") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # how older versions of numpy report bad text
            numbers = np.fromstring(text, np.int64, sep=" ") if text.strip() else np.empty(0, np.int64)
        lines = text.count(b"\n") + (not text.endswith(b"\n"))
        if len(numbers) != (2 * lines if len(numbers) else 0):
            raise ValueError
        keys, offsets = numbers.reshape(-1, 2).T
    except (ValueError, DeprecationWarning) as error:
        raise UsageError(
            f"{index} is damaged; wanted are lines of a key, a tab and a byte offset."
        ) from error
    order = np.argsort(keys, kind="stable")
    keys, offsets = np.ascontiguousarray(keys[order]), np.ascontiguousarray(offsets[order])
    if (offsets < 0).any() or (offsets % 4).any():
        raise UsageError(f"{index} is damaged: byte offsets are multiples of 4 and never negative.")
    if (twice := np.flatnonzero(keys[1:] == keys[:-1])).size:
        raise UsageError(f"{index} is damaged: it has the key {keys[twice[0]]} more than once.")
    return keys, offsets


def read_frame(data: mmap.mmap | bytes, offset: int, *, path: Path) -> tuple[bytes, int]:
    """The payload of the record at a byte offset, and the offset of the next one. UsageError where there is
    none."""
    parts: list[bytes] = []
    start = offset
    while True:
        if offset + 8 > len(data):
            raise _truncated(path, start, offset + 8 - len(data))
        magic, word = _WORDS.unpack_from(data, offset)
        flag, length = word >> 29, word & MAX_PART
        if magic != int.from_bytes(MAGIC, "little") or flag not in (
            (MIDDLE, LAST) if parts else (WHOLE, FIRST)
        ):
            raise UsageError(
                f"{path} has no record at byte {start}: it is damaged, or its .idx belongs to another file."
            )
        end = offset + 8 + length
        if end > len(data):
            raise _truncated(path, start, end - len(data))
        parts.append(data[offset + 8 : end])
        offset = end + -length % 4
        if flag in (WHOLE, LAST):
            return MAGIC.join(parts), offset


def scan(path: Path | str) -> Iterator[tuple[int, bytes]]:
    """Every record of a .rec in its order, as (byte offset, payload); no .idx is needed."""
    path = Path(path)
    data, offset = _map(path), 0
    while offset < len(data):
        payload, following = read_frame(data, offset, path=path)
        yield offset, payload
        offset = following


def rebuild_index(path: Path | str) -> Path:
    """Write the .idx of a .rec anew, with the ids in the records as keys, or 0, 1, 2, ... where those
    repeat."""
    path = Path(path)
    found = [(unpack(data, where=f"{path}, byte {offset}").id, offset) for offset, data in scan(path)]
    if len({key for key, _ in found}) < len(found):
        found = [(key, offset) for key, (_, offset) in enumerate(found)]
    index = path.with_suffix(".idx")
    with atomic_path(index) as temporary:
        temporary.write_text("".join(f"{key}\t{offset}\n" for key, offset in found), encoding="ascii")
    return index


def _map(path: Path) -> mmap.mmap | bytes:
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                return b""  # which cannot be mapped
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist; wanted is a RecordIO file (.rec).") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error


def _truncated(path: Path, offset: int, missing: int) -> UsageError:
    return UsageError(
        f"{path} is truncated: the record at byte {offset} lacks at least {missing} bytes. Copy or download "
        "it again."
    )
