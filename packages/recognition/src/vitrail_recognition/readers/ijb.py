"""IJB-B and IJB-C as they are handed on: loose_crop/*.jpg and three text files in meta/.

    meta/ijbc_face_tid_mid.txt             name template media
    meta/ijbc_template_pair_label.txt      template template label
    meta/ijbc_name_5pts_score.txt          name, x and y of five landmarks, the detector's score

The prefix is ijbb or ijbc. Faces are in the order of the third file, which must name the same pictures as the
first.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError
from vitrail_recognition.decode import Pixels, decode_image

FACES, PAIRS, LANDMARKS = "_face_tid_mid.txt", "_template_pair_label.txt", "_name_5pts_score.txt"
PICTURES = "loose_crop"


class IJB:
    """The faces, templates and pairs of an IJB folder. N faces, P pairs.

    names: N file names below loose_crop. templates, medias: (N,) int64. landmarks: (N, 5, 2) float32, x and y
    in pixels of the loose crop. scores: (N,) float32. first, second: (P,) int64, template ids. same: (P,)
    bool.

    Raises UsageError where files are missing or do not fit together.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.prefix = _prefix(self.root)
        meta = self.root / "meta"
        faces = _rows(meta / f"{self.prefix}{FACES}", 3)
        measured = _rows(meta / f"{self.prefix}{LANDMARKS}", 12)
        pairs = _numbers(meta / f"{self.prefix}{PAIRS}", 3)

        self.names = [row[0] for row in measured]
        if [row[0] for row in faces] != self.names:
            raise UsageError(
                f"{meta} names other faces in {self.prefix}{FACES} than in {self.prefix}{LANDMARKS}, or in "
                "another order; the two must agree line by line. Get both from one place."
            )
        ids = _as_array(faces, slice(1, 3), np.int64, meta / f"{self.prefix}{FACES}")
        self.templates, self.medias = ids[:, 0].copy(), ids[:, 1].copy()
        numbers = _as_array(measured, slice(1, 12), np.float32, meta / f"{self.prefix}{LANDMARKS}")
        self.landmarks: NDArray[np.float32] = numbers[:, :10].reshape(-1, 5, 2)
        self.scores: NDArray[np.float32] = numbers[:, 10].copy()
        self.first, self.second = pairs[:, 0].copy(), pairs[:, 1].copy()
        self.same: NDArray[np.bool_] = pairs[:, 2] == 1
        self._check(pairs, meta / f"{self.prefix}{PAIRS}")

    @property
    def name(self) -> str:
        return {"ijbb": "IJB-B", "ijbc": "IJB-C"}[self.prefix]

    def __len__(self) -> int:
        """How many faces there are."""
        return len(self.names)

    def image(self, index: int) -> Pixels:
        """A loose crop, (H, W, 3) uint8 RGB. InputError where it cannot be read."""
        path = self.root / PICTURES / self.names[index]
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}.") from error
        return decode_image(data, where=str(path))

    def _check(self, pairs: NDArray[np.int64], path: Path) -> None:
        if not np.isin(pairs[:, 2], (0, 1)).all():
            wrong = pairs[~np.isin(pairs[:, 2], (0, 1)), 2][0]
            raise UsageError(f"{path} has the label {wrong}; wanted is 1 for one person and 0 for two.")
        unknown = np.setdiff1d(pairs[:, :2], self.templates)
        if unknown.size:
            raise UsageError(
                f"{path} pairs the template {unknown[0]}, of which {self.prefix}{FACES} has no face. Get both "
                "from one place."
            )


def is_ijb(folder: Path) -> bool:
    return bool(list((folder / "meta").glob(f"ijb[bc]{FACES}")))


def _prefix(root: Path) -> str:
    found = [prefix for prefix in ("ijbb", "ijbc") if (root / "meta" / f"{prefix}{FACES}").is_file()]
    if len(found) != 1:
        raise UsageError(
            f"{root} has {'both' if found else 'no'} meta/ijbb{FACES} {'and' if found else 'or'} "
            f"meta/ijbc{FACES}; wanted is one of them. Give the folder that has meta and loose_crop."
        )
    return found[0]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"{path} is missing; IJB comes with it.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error


def _rows(path: Path, width: int) -> list[list[str]]:
    rows = [line.split() for line in _read(path).splitlines() if line.strip()]
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise UsageError(f"{path}, line {number} has {len(row)} entries; wanted are {width}.")
    if not rows:
        raise UsageError(f"{path} is empty.")
    return rows


def _as_array(rows: list[list[str]], columns: slice, dtype: type, path: Path) -> NDArray[np.generic]:
    try:
        return np.array([row[columns] for row in rows]).astype(dtype)
    except ValueError as error:
        raise UsageError(f"{path} has something that is no number: {error}.") from error


def _numbers(path: Path, width: int) -> NDArray[np.int64]:
    """A table of whole numbers; IJB-C has 15.7 million lines, which is why numpy parses them."""
    text = _read(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # how older versions of numpy report bad text
            numbers = np.fromstring(text, np.int64, sep=" ") if text.strip() else np.empty(0, np.int64)
    except (ValueError, DeprecationWarning) as error:
        raise UsageError(f"{path} has something that is no whole number.") from error
    if not len(numbers) or len(numbers) % width:
        raise UsageError(f"{path} is truncated or empty; wanted are {width} numbers in every line.")
    return numbers.reshape(-1, width)
