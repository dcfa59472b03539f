"""Two photographs: how alike are the faces in them, and does that mean one person?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitrail.results import save_image
from vitrail_recognition.faces import AlignedFace, FaceFinder

if TYPE_CHECKING:
    from vitrail.interfaces import Recognizer
    from vitrail_recognition.verification.calibration import Calibration, Verdict

NOT_CALIBRATED = (
    "no calibration was given. `vitrail eval {recognizer} --data PAIRS --calibrate --out DIR` writes one from pairs "
    "of your own; then add --calibration DIR/calibration.json"
)


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photograph with the faces in it: pixels (H, W, 3) uint8 RGB; `taken` is the index of the one compared."""

    name: str
    pixels: NDArray[np.uint8]
    faces: tuple[AlignedFace, ...]
    taken: int

    @property
    def face(self) -> AlignedFace:
        return self.faces[self.taken]

    def as_dict(self) -> dict[str, Any]:
        return {
            "photo": self.name,
            "faces": len(self.faces),
            "taken": self.taken + 1,
            **face_as_dict(self.face),
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What `compare` found.

    similarity: the cosine of the two embeddings, -1 to 1. verdict: at the calibrated threshold, or None for the
    reason `why_none`. notes: sentences about faces that were chosen or are tiny.
    """

    similarity: float
    first: Photo
    second: Photo
    recognizer: str
    verdict: Verdict | None
    why_none: str
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        verdict = None
        if self.verdict is not None:
            point = self.verdict.point
            verdict = {
                "same": self.verdict.same,
                "threshold": point.cosine,
                "far": point.far,
                "tar": point.tar,
                "data": self.verdict.data,
            }
        return {
            "recognizer": self.recognizer,
            "similarity": self.similarity,
            "verdict": verdict,
            "why_no_verdict": self.why_none or None,
            "first": self.first.as_dict(),
            "second": self.second.as_dict(),
            "notes": list(self.notes),
        }

    def picture(self) -> NDArray[np.uint8]:
        """Both photographs, both crops and the similarity, (H, W, 3) uint8."""
        from vitrail_recognition.pictures import draw_comparison

        return draw_comparison(self)

    def save(self, path: Path | str) -> Path:
        """Write the picture; the ending chooses the format."""
        return save_image(path, self.picture())


def compare(
    recognizer: Recognizer,
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    *,
    names: tuple[str, str] = ("the first photograph", "the second photograph"),
    numbers: tuple[int | None, int | None] = (None, None),
    finder: FaceFinder | None = None,
    calibration: Calibration | None = None,
    far: float | None = None,
    caveat: str = "",
) -> Comparison:
    """Find a face in each of two photographs (H, W, 3) and compare them.

    numbers: which face of each, counted from 1 by size; None takes the largest. calibration, far: give the verdict;
    UsageError when it is another recogniser's or other weights'. caveat: why these weights allow no verdict
    (`weights_caveat`). InputError where a photograph holds no face.
    """
    verdict, why_none = None, caveat
    if calibration is not None and not caveat:
        from vitrail_recognition.verification.calibration import weights_hash

        calibration.require(recognizer.spec.id, weights_hash(recognizer))
    elif not caveat:
        why_none = NOT_CALIBRATED.format(recognizer=recognizer.spec.id)
    finder = finder or FaceFinder.for_recognizer(recognizer)
    photos, notes = [], []
    for pixels, name, number in zip((first, second), names, numbers):
        photo, said = take_face(finder, pixels, name, number)
        photos.append(photo)
        notes += said
    vectors = recognizer.embed([photo.face.crop for photo in photos])
    similarity = float(np.clip(vectors.vectors[0] @ vectors.vectors[1], -1, 1))
    if calibration is not None and not caveat:
        verdict = calibration.verdict(similarity, far=far)
    return Comparison(
        similarity=similarity,
        first=photos[0],
        second=photos[1],
        recognizer=recognizer.spec.id,
        verdict=verdict,
        why_none=why_none,
        notes=tuple(notes),
    )


def take_face(
    finder: FaceFinder, pixels: NDArray[np.uint8], name: str, number: int | None = None
) -> tuple[Photo, list[str]]:
    """The photograph with its faces and the one that is meant, and notes about the choice."""
    found = finder(pixels)
    taken, notes = finder.take(found, pixels, name, number)
    return Photo(name=name, pixels=pixels, faces=tuple(found), taken=taken), notes


def face_as_dict(face: AlignedFace) -> dict[str, Any]:
    """Box, landmarks and score as plain numbers."""
    return {
        "box": [round(float(value), 2) for value in face.face.box],
        "landmarks": [[round(float(value), 2) for value in point] for point in face.face.landmarks],
        "score": round(float(face.face.score), 4),
    }
