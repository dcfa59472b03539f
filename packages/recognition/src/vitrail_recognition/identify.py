"""Who in a gallery is most like the faces in a photograph?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail.results import save_image
from vitrail_recognition.compare import face_as_dict
from vitrail_recognition.faces import TINY, AlignedFace, FaceFinder
from vitrail_recognition.gallery import Gallery, GalleryIndex, Settings

if TYPE_CHECKING:
    from vitrail.interfaces import Recognizer
    from vitrail_recognition.verification.calibration import Calibration


@dataclass(frozen=True, kw_only=True)
class Match:
    """Somebody in the gallery. file: their photograph that is most alike. accepted: None without calibration."""

    identity: str
    file: str
    cosine: float
    accepted: bool | None


@dataclass(frozen=True, kw_only=True)
class Identification:
    """matches[i]: the people most like faces[i], best first. threshold: the calibrated cosine, if there is one."""

    name: str
    photo: NDArray[np.uint8]
    faces: tuple[AlignedFace, ...]
    matches: tuple[tuple[Match, ...], ...]
    threshold: float | None
    summary: str
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        faces = [
            {
                "number": number,
                **face_as_dict(face),
                "matches": [
                    {"identity": m.identity, "cosine": m.cosine, "file": m.file, "accepted": m.accepted}
                    for m in matches
                ],
            }
            for number, (face, matches) in enumerate(zip(self.faces, self.matches), start=1)
        ]
        return {
            "photo": self.name,
            "threshold": self.threshold,
            "faces": faces,
            "summary": self.summary,
            "notes": list(self.notes),
        }

    def picture(self) -> NDArray[np.uint8]:
        """The photograph and, for each face, who is most like it, (H, W, 3) uint8."""
        from vitrail_recognition.pictures import draw_identification

        return draw_identification(self)

    def save(self, path: Path | str) -> Path:
        """Write the picture; the ending chooses the format."""
        return save_image(path, self.picture())


def identify(
    recognizer: Recognizer,
    photo: NDArray[np.uint8],
    gallery: Gallery,
    *,
    name: str = "the photograph",
    top: int = 5,
    finder: FaceFinder | None = None,
    calibration: Calibration | None = None,
    far: float | None = None,
    caveat: str = "",
    where: str = "the gallery",
) -> Identification:
    """The `top` people of the gallery for every face in a photograph (H, W, 3).

    calibration, far, caveat: as for `compare`; with a calibration each match is accepted or not. UsageError
    where gallery or calibration are another recogniser's or other weights', InputError where there is no face.
    """
    if top < 1:
        raise UsageError(f"top is {top}; wanted is 1 or more.")
    finder = finder or FaceFinder.for_recognizer(recognizer)
    settings = Settings.of(recognizer, finder)
    gallery.settings.require(settings.recognizer, settings.weights_hash, where)
    if caveat:
        calibration = None
    if calibration is not None:
        calibration.require(settings.recognizer, settings.weights_hash)
    index = GalleryIndex(gallery)
    faces = finder(photo)
    if not faces:
        finder.take(faces, photo, name)  # raises, and says what was looked for
    vectors = recognizer.embed([face.crop for face in faces]).vectors
    matches = tuple(
        tuple(_match(found, calibration, far) for found in people) for people in index.search(vectors, top)
    )
    small = [number for number, face in enumerate(faces, start=1) if face.width < TINY and not finder.aligned]
    notes = [
        f"Face {number} is only {faces[number - 1].width:.0f} pixels wide: the similarity of faces under {TINY} "
        "pixels says little."
        for number in small
    ]
    if settings.detector != gallery.settings.detector:
        notes.append(
            f"{where} was built with the detector {gallery.settings.detector}, and this is {settings.detector}: faces "
            "are cut differently, so that one person's may be less alike."
        )
    point = calibration.verdict(0.0, far=far).point if calibration is not None else None
    return Identification(
        name=name,
        photo=photo,
        faces=tuple(faces),
        matches=matches,
        threshold=None if point is None else point.cosine,
        summary=_summary(gallery, calibration, far, caveat),
        notes=tuple(notes),
    )


def _match(found: tuple[str, str, float], calibration: Calibration | None, far: float | None) -> Match:
    identity, file, cosine = found
    accepted = None if calibration is None else calibration.verdict(cosine, far=far).same
    return Match(identity=identity, file=file, cosine=cosine, accepted=accepted)


def _summary(gallery: Gallery, calibration: Calibration | None, far: float | None, caveat: str) -> str:
    people, photos = len(gallery.identities), len(gallery.rows)
    searched = f"Searched: {people:,} people in {photos:,} photographs."
    if caveat:
        return f"{searched} No verdict: {caveat}."
    if calibration is None:
        return f"{searched} No verdict: no calibration was given, so the most alike need not be alike enough."
    point = calibration.verdict(0.0, far=far).point
    chance = min(point.far * photos, 1.0)
    return (
        f"{searched} Accepted from cosine {point.cosine:.3f} on, which one in {round(1 / point.far):,} pairs of "
        f"strangers reach on {calibration.data}: of strangers to this gallery up to {chance:.2g} of all would be "
        "taken for somebody in it."
    )
