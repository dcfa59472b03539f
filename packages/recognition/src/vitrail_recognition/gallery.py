"""A gallery: one file with the embeddings of known people, and the search in it. `gallery_build.py` makes it.

The file is safetensors: the embeddings, and a JSON table of the photographs in its header.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitrail.configs import from_dict
from vitrail.errors import BrokenError, InputError, NotInstalledError, UsageError
from vitrail.files import atomic_path
from vitrail_recognition.faces import FaceFinder

if TYPE_CHECKING:
    from vitrail.interfaces import Recognizer

FORMAT = 1


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
            limits.append(f"weights {sha256_of(Path(finder.weights))[:12]}")
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


def sha256_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


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
