"""One number for a recogniser on identities it never trained on: how many of all genuine pairs pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vitrail.interfaces import Recognizer
from vitrail_recognition.readers.folder import FolderFaces
from vitrail_recognition.verification.pairs import make_pairs
from vitrail_recognition.verification.roc import roc_curve

ALL = 1_000_000


def tar_on_all_pairs(component: Recognizer, folder: Path | str, *, far: float = 1e-3) -> float:
    """The true-accept rate at a false-accept rate, over all pairs of a folder of identities (a million of each kind at
    most), each picture embedded once as it is. The largest rate that keeps the false accepts at or below `far`."""
    faces = FolderFaces(folder)
    vectors = component.embed([faces[index][0] for index in range(len(faces))]).vectors
    pairs = make_pairs(faces.labels, genuine=ALL, impostors=ALL)
    scores = np.einsum("pd,pd->p", vectors[pairs.first], vectors[pairs.second])
    return float(roc_curve(scores, pairs.same, corners=False).tar_at(far, rule="at most")[0])
