"""The unfinished output of a run, kept beside the output so that a killed run can continue."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError, VitrailError
from vitrail.files import write_text
from vitrail_segmentation.geotiff import megabytes, unwritable

try:
    import fcntl
except ImportError:  # Windows: two runs that write the same output are not kept apart
    fcntl = None  # type: ignore[assignment]

FORMAT = 1


class Partial:
    """A folder `.NAME.part` beside the output NAME: finished labels, a byte a pixel, and a journal.

    The journal holds what the labels were made from (`made_from`), and the next row of tiles. It is written after
    the labels are on the disk, so what it says is true whenever the run is cut off. `palette` is what the segmenter
    gave with its results; it is kept for a run that is cut off after the last tile.
    """

    def __init__(self, output: Path, width: int, made_from: dict[str, Any]) -> None:
        self.output = output
        self.width = width
        self.made_from = made_from
        self.folder = output.with_name(f".{output.name}.part")
        self.next_row = 0
        self.image_rows = 0
        self.palette: list[list[int]] | None = None
        self._file: BinaryIO | None = None

    @property
    def labels_path(self) -> Path:
        return self.folder / "labels.raw"

    @property
    def journal_path(self) -> Path:
        return self.folder / "journal.json"

    def start(self, *, height: int, resume: bool, note: Callable[[str], None]) -> None:
        """Take up what an earlier run left, if it was made from the same things; else start afresh."""
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = self.labels_path.open("r+b" if self.labels_path.exists() else "w+b")
            self._lock()
            if resume:
                self._take_up(height, note)
            self._file.truncate(self.image_rows * self.width)
            self._file.seek(0, os.SEEK_END)
        self._require_room(height)

    def append(self, labels: NDArray[np.uint8], next_row: int) -> None:
        """Add finished rows (n, width); after this, a new run begins with the row of tiles `next_row`."""
        assert self._file is not None
        with self._writing():
            self._file.write(np.ascontiguousarray(labels).data)
            self._file.flush()
            os.fsync(self._file.fileno())
            self.image_rows += len(labels)
            self.next_row = next_row
            journal = {
                "format": FORMAT,
                "made_from": self.made_from,
                "next_row": next_row,
                "image_rows": self.image_rows,
                "palette": self.palette,
            }
            write_text(self.journal_path, json.dumps(journal, indent=2) + "\n")

    def rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Finished rows, (stop - start, width)."""
        count = (stop - start) * self.width
        values = np.fromfile(self.labels_path, dtype=np.uint8, count=count, offset=start * self.width)
        return values.reshape(stop - start, self.width)

    def labels(self) -> NDArray[np.uint8]:
        """All finished rows, mapped from the disk."""
        return np.memmap(self.labels_path, dtype=np.uint8, mode="r", shape=(self.image_rows, self.width))

    def close(self) -> None:
        """Let go of the files and leave them where they are."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """Remove the folder."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _take_up(self, height: int, note: Callable[[str], None]) -> None:
        try:
            journal = json.loads(self.journal_path.read_text(encoding="utf-8"))
            row, image_rows, before = journal["next_row"], journal["image_rows"], journal["made_from"]
            whole = journal["format"] == FORMAT and self.labels_path.stat().st_size >= image_rows * self.width
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            note(f"What an earlier run left of {self.output} cannot be read: starting again.")
            return
        if before != self.made_from or not whole:
            changed = [key for key, value in self.made_from.items() if before.get(key) != value]
            what = ", ".join(changed) or "contents"
            note(
                f"An earlier run left part of {self.output}, made with other values ({what}): starting again."
            )
            return
        self.next_row, self.image_rows, self.palette = row, image_rows, journal.get("palette")
        note(f"Continuing {self.output} after row {image_rows:,} of {height:,}.")

    def _lock(self) -> None:
        if fcntl is None or self._file is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise UsageError(
                f"Another run is writing {self.output} right now. Wait for it, or choose another name."
            ) from error
        except OSError:  # a file system without locks
            return

    def _require_room(self, height: int) -> None:
        wanted = (2 * height - self.image_rows) * self.width
        free = shutil.disk_usage(self.folder).free
        if free < wanted:
            if self.image_rows:
                self.close()
            else:
                self.discard()
            raise VitrailError(
                f"{self.output} takes up to {megabytes(wanted)} while it is made; {megabytes(free)} are free on that "
                "disk. Make room, or write to another disk."
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unwritable(self.output, error) from error
