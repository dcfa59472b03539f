"""A gallery: one file with the embeddings of known people, brought up to date as their photographs change.

Photographs lie in a folder: FOLDER/NAME/*.jpg are of the person NAME, and FOLDER/NAME.jpg too. From each the
largest face is taken. The file is safetensors: the embeddings, and a JSON table of the photographs in its
header. It is only ever replaced whole, so a build that is killed leaves the gallery as it was; what the build had
done by then waits in `FILE.progress` for the next one.
"""

from __future__ import annotations

import glob
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vitrail.configs import from_dict
from vitrail.errors import BrokenError, InputError, NotInstalledError, UsageError
from vitrail.files import atomic_path
from vitrail_recognition.faces import AlignedFace, FaceFinder
from vitrail_recognition.photo import SUFFIXES, open_photo

if TYPE_CHECKING:
    from vitrail.interfaces import Recognizer

FORMAT = 1
BATCH = 32
SECONDS_BETWEEN_SAVES = 30.0
LEFTOVER_SECONDS = 600.0
"""A temporary file that is older was left by a killed build."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What embeddings depend on; a gallery has one of these, and takes no embedding made otherwise.

    recognizer: component id. weights_hash: of its weights (verification.calibration.weights_hash).
    detector: backend and its limits, or "aligned" where photographs are crops already.
    """

    recognizer: str
    weights_hash: str
    detector: str

    @classmethod
    def of(cls, recognizer: Recognizer, finder: FaceFinder) -> Settings:
        from vitrail_recognition.verification.calibration import weights_hash

        limits = [
            f"{name} {value:g}"
            for name, value in (("smallest", finder.min_size), ("least score", finder.threshold))
            if value is not None
        ]
        if finder.weights is not None:
            limits.append(f"weights {_sha256(Path(finder.weights))[:12]}")
        detector = "aligned" if finder.aligned else ", ".join([finder.backend, *limits])
        return cls(recognizer=recognizer.spec.id, weights_hash=weights_hash(recognizer), detector=detector)

    def require(self, recognizer: str, weights_hash: str, where: str) -> None:
        """Raises UsageError unless embeddings of this recogniser and these weights may be compared with ours."""
        if recognizer != self.recognizer:
            raise UsageError(
                f"{where} holds embeddings of {self.recognizer}, which cannot be compared with those of "
                f"{recognizer}. Use --model {self.recognizer}, or build another gallery."
            )
        if weights_hash != self.weights_hash:
            raise UsageError(
                f"{where} was built with other weights of {recognizer} ({self.weights_hash[:12]}..., and these are "
                f"{weights_hash[:12]}...). Give the same weights, or build another gallery."
            )


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A photograph. file: its path within the folder. mtime: in nanoseconds. problem: why it has no embedding."""

    file: str
    identity: str
    size: int
    mtime: int
    sha256: str
    faces: int = 0
    width: float = 0.0
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Photographs and their embeddings: row i of `vectors` (N, D) belongs to entry i; without a face it is zero."""

    settings: Settings
    entries: tuple[Entry, ...]
    vectors: NDArray[np.float32]

    @property
    def rows(self) -> NDArray[np.intp]:
        """The entries that have an embedding."""
        return np.array([i for i, entry in enumerate(self.entries) if not entry.problem], dtype=np.intp)

    @property
    def identities(self) -> list[str]:
        """Names of those who can be found, sorted."""
        return sorted({self.entries[row].identity for row in self.rows})

    def save(self, path: Path | str) -> Path:
        """Write the file under a temporary name, then rename it."""
        from safetensors.numpy import save_file

        table = {
            "format": FORMAT,
            "settings": asdict(self.settings),
            "entries": [asdict(e) for e in self.entries],
        }
        vectors = {"vectors": np.ascontiguousarray(self.vectors)}
        with atomic_path(path) as temporary:
            save_file(vectors, temporary, metadata={"vitrail_gallery": json.dumps(table)})
        return Path(path)


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


def read_gallery(path: Path | str) -> Gallery:
    """Read a gallery. UsageError where there is none, BrokenError for a file that is none."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise UsageError(
            f"{path} does not exist; wanted is a gallery. Make one: vitrail gallery build FOLDER -o {path}"
        )
    try:
        with safe_open(path, framework="np") as file:
            table = json.loads((file.metadata() or {}).get("vitrail_gallery", "null"))
            vectors = file.get_tensor("vectors") if table is not None else None
    except (SafetensorError, OSError, ValueError) as error:
        raise BrokenError(f"{path} is no whole gallery ({error}). Build it again.") from error
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise BrokenError(f"{path} is no gallery of format {FORMAT}. Build it again.")
    settings = from_dict(Settings, table["settings"], where=str(path))
    entries = tuple(from_dict(Entry, entry, where=str(path)) for entry in table["entries"])
    if vectors is None or vectors.ndim != 2 or len(vectors) != len(entries) or vectors.dtype != np.float32:
        raise BrokenError(f"{path} names {len(entries)} photographs and does not hold as many embeddings.")
    return Gallery(settings=settings, entries=entries, vectors=vectors)


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


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


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
        embedded, saved = 0, time.monotonic()
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
            kept=len(files) - embedded,
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
        digest = _sha256(path)
        same = by_hash.get(digest) if digest else None
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


class GalleryIndex:
    """Exact search by cosine over a gallery, with faiss. NotInstalledError without the extra `gallery`."""

    def __init__(self, gallery: Gallery) -> None:
        try:
            import faiss
        except ImportError as error:
            raise NotInstalledError(
                f'Searching a gallery needs faiss ({error}): pip install "vitrail-recognition[gallery]"'
            ) from error
        rows = gallery.rows
        self.names = [gallery.entries[row].identity for row in rows]
        self.files = [gallery.entries[row].file for row in rows]
        self.index = faiss.IndexFlatIP(gallery.vectors.shape[1])
        self.index.add(np.ascontiguousarray(gallery.vectors[rows]))
        counts: dict[str, int] = {}
        for name in self.names:
            counts[name] = counts.get(name, 0) + 1
        self.most = max(counts.values(), default=1)

    def search(self, vectors: NDArray[np.float32], top: int) -> list[list[tuple[str, str, float]]]:
        """For each vector (B, D) the `top` people most like it: (name, file, cosine), each by their best photograph."""
        # the first top * most rows hold at least `top` people, since nobody has more than `most` photographs
        count = min(top * self.most, len(self.names))
        cosines, rows = self.index.search(np.ascontiguousarray(vectors, dtype=np.float32), count)
        return [self._people(line, found, top) for line, found in zip(cosines, rows)]

    def _people(self, cosines: Any, rows: Any, top: int) -> list[tuple[str, str, float]]:
        best: dict[str, tuple[str, str, float]] = {}
        for cosine, row in zip(cosines, rows):
            name = self.names[row]
            if name not in best:
                best[name] = (name, self.files[row], float(np.clip(cosine, -1, 1)))
        return list(best.values())[:top]
