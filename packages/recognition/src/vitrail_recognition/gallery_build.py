"""Making a gallery, and bringing it up to date as the photographs change.

Photographs lie in a folder: FOLDER/NAME/*.jpg are of the person NAME, and FOLDER/NAME.jpg too. From each the largest
face is taken. The gallery is only ever replaced whole, so a build that is killed leaves it as it was; what the build
had done by then waits in `FILE.progress` for the next one.
"""

from __future__ import annotations

import glob
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import BrokenError, InputError, NotInstalledError, UsageError
from vitrail_recognition.faces import AlignedFace, FaceFinder
from vitrail_recognition.gallery import Entry, Gallery, Settings, read_gallery, sha256_of
from vitrail_recognition.photo import SUFFIXES, open_photo

if TYPE_CHECKING:
    from vitrail.interfaces import Recognizer

BATCH = 32
SECONDS_BETWEEN_SAVES = 30.0
LEFTOVER_SECONDS = 600.0
"""A temporary file that is older was left by a killed build."""


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """What a build did: photographs embedded anew, kept, removed, and those without a usable face."""

    embedded: int
    kept: int
    removed: int
    problems: tuple[Entry, ...]


class Listener(Protocol):
    """Told of progress: called with the photographs done so far and those there are."""

    def __call__(self, done: int, total: int) -> None: ...


def build_gallery(
    recognizer: Recognizer,
    folder: Path | str,
    out: Path | str,
    *,
    finder: FaceFinder | None = None,
    rehash: bool = False,
    fresh: bool = False,
    progress: Listener = lambda done, total: None,
) -> tuple[Gallery, BuildReport]:
    """Bring the gallery `out` up to date with the photographs under `folder`, or make it.

    A photograph whose size and time are as they were is not read; one with the same bytes as any that was
    embedded before is not embedded again. rehash: compare the bytes of all. fresh: ignore what `out` holds.
    Raises UsageError where `out` was built with another recogniser, other weights or another detector, and where
    no photograph has a face.
    """
    folder, out = Path(folder), Path(out)
    finder = finder or FaceFinder.for_recognizer(recognizer)
    files = list(find_photos(folder))
    if not files:
        raise UsageError(
            f"{folder} holds no photographs ({', '.join(SUFFIXES[:4])}, ...); wanted are files NAME/*.jpg or NAME.jpg."
        )
    finder.load()
    settings = Settings.of(recognizer, finder)
    waiting = progress_file(out)
    before = _known(out, waiting, settings, fresh)
    builder = _Builder(recognizer, finder, settings, folder, waiting, progress)
    gallery, report = builder.run(files, before, rehash)
    if not len(gallery.rows):
        first = report.problems[0]
        raise UsageError(
            f"None of the {len(files)} photographs in {folder} can be used; {first.file}: {first.problem}"
        )
    gallery.save(out)
    waiting.unlink(missing_ok=True)
    remove_leftovers(out)
    return gallery, report


def find_photos(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every photograph under a folder in order of its path, with the name of the person; hidden ones left out."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; wanted is one with photographs, NAME/*.jpg or NAME.jpg.")
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.suffix.lower() in SUFFIXES and path.is_file() and not any(p.startswith(".") for p in parts):
            yield path, parts[0] if len(parts) > 1 else path.stem


def progress_file(out: Path) -> Path:
    """Where a build that was killed leaves what it had done."""
    return out.with_name(f".{out.name}.progress")


def remove_leftovers(out: Path) -> None:
    """Temporary files of builds that were killed while they wrote."""
    for target in (out, progress_file(out)):
        pattern = f".{glob.escape(target.stem)}.*.part{glob.escape(target.suffix)}"
        for path in target.parent.glob(pattern):
            if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                path.unlink(missing_ok=True)


def _known(out: Path, waiting: Path, settings: Settings, fresh: bool) -> Gallery | None:
    """What is embedded already, by an earlier build or one that was killed."""
    found = None
    if out.exists() and not fresh:
        found = read_gallery(out)
        found.settings.require(settings.recognizer, settings.weights_hash, str(out))
        if found.settings.detector != settings.detector:
            raise UsageError(
                f"{out} was built with the detector {found.settings.detector}, and this is {settings.detector}: "
                "faces would be cut differently. Give the same settings, or build it anew with --fresh."
            )
    elif out.is_dir():
        raise UsageError(f"{out} is a folder; the name of a gallery's file is wanted here.")
    if fresh or not waiting.is_file():
        return found
    try:
        started = read_gallery(waiting)
    except BrokenError:
        return found
    if started.settings != settings:
        return found
    if found is None or not len(started.rows):
        return found or started
    vectors = np.concatenate([found.vectors, started.vectors])
    return Gallery(settings=settings, entries=found.entries + started.entries, vectors=vectors)


class _Builder:
    """One run over the photographs."""

    def __init__(
        self,
        recognizer: Recognizer,
        finder: FaceFinder,
        settings: Settings,
        folder: Path,
        waiting: Path,
        progress: Listener,
    ) -> None:
        self.recognizer, self.finder, self.settings = recognizer, finder, settings
        self.folder, self.waiting, self.progress = folder, waiting, progress
        self.entries: list[Entry] = []
        self.vectors: dict[int, NDArray[np.float32]] = {}
        self.batch: list[tuple[int, AlignedFace]] = []

    def run(
        self, files: Sequence[tuple[Path, str]], before: Gallery | None, rehash: bool
    ) -> tuple[Gallery, BuildReport]:
        by_file = {entry.file: row for row, entry in enumerate(before.entries)} if before else {}
        by_hash = {entry.sha256: row for row, entry in enumerate(before.entries)} if before else {}
        embedded, kept, saved = 0, 0, time.monotonic()
        for done, (path, identity) in enumerate(files):
            self.progress(done, len(files))
            try:
                entry, row = self._recall(path, identity, before, by_file, by_hash, rehash)
            except InputError as error:
                self.entries.append(self._unread(path, identity, str(error)))
                continue
            if before is not None and row is not None:
                self.entries.append(entry)
                if not entry.problem:
                    self.vectors[len(self.entries) - 1] = before.vectors[row]
                kept += 1
                continue
            self._embed(path, entry)
            embedded += 1
            if time.monotonic() - saved > SECONDS_BETWEEN_SAVES:
                self._flush()
                self._gallery().save(self.waiting)
                saved = time.monotonic()
        self._flush()
        self.progress(len(files), len(files))
        now = {entry.file for entry in self.entries}
        report = BuildReport(
            embedded=embedded,
            kept=kept,
            removed=sum(name not in now for name in by_file),
            problems=tuple(entry for entry in self.entries if entry.problem),
        )
        return self._gallery(), report

    def _recall(
        self,
        path: Path,
        identity: str,
        before: Gallery | None,
        by_file: dict[str, int],
        by_hash: dict[str, int],
        rehash: bool,
    ) -> tuple[Entry, int | None]:
        """What is known of a photograph, and the row of its embedding if there is one already."""
        try:
            stat = path.stat()
        except OSError as error:
            raise InputError(f"it cannot be read: {error.strerror or error}.") from error
        name = path.relative_to(self.folder).as_posix()
        row = by_file.get(name)
        if before is not None and row is not None and not rehash:
            entry = before.entries[row]
            if entry.sha256 and (entry.size, entry.mtime) == (stat.st_size, stat.st_mtime_ns):
                return replace(entry, identity=identity), row
        digest = sha256_of(path)
        same = by_hash.get(digest)
        new = {"file": name, "identity": identity, "size": stat.st_size, "mtime": stat.st_mtime_ns}
        if before is not None and same is not None:
            return replace(before.entries[same], **new), same
        return Entry(sha256=digest, **new), None

    def _unread(self, path: Path, identity: str, problem: str) -> Entry:
        """The entry of a file of which nothing is known; without a hash it is tried again by the next build."""
        name = path.relative_to(self.folder).as_posix()
        return Entry(file=name, identity=identity, size=0, mtime=0, sha256="", problem=problem)

    def _embed(self, path: Path, entry: Entry) -> None:
        try:
            found = self.finder(open_photo(path))
        except InputError as error:
            self.entries.append(replace(entry, problem=str(error)))
            return
        except NotInstalledError as error:  # a HEIC picture without its reader, which may be there next time
            self.entries.append(replace(entry, sha256="", problem=str(error)))
            return
        if not found:
            self.entries.append(replace(entry, problem="no face was found in it."))
            return
        self.entries.append(replace(entry, faces=len(found), width=round(found[0].width, 1)))
        self.batch.append((len(self.entries) - 1, found[0]))
        if len(self.batch) == BATCH:
            self._flush()

    def _flush(self) -> None:
        if self.batch:
            embeddings = self.recognizer.embed([face.crop for _, face in self.batch])
            for (index, _), vector in zip(self.batch, embeddings.vectors):
                self.vectors[index] = vector
            self.batch = []

    def _gallery(self) -> Gallery:
        width = len(next(iter(self.vectors.values()))) if self.vectors else 0
        vectors = np.zeros((len(self.entries), width), dtype=np.float32)
        for index, vector in self.vectors.items():
            vectors[index] = vector
        return Gallery(settings=self.settings, entries=tuple(self.entries), vectors=vectors)
