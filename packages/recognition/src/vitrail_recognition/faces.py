"""From a photograph to aligned faces, and to the one that is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError
from vitrail.results import Face
from vitrail_recognition.align import align_batch, template
from vitrail_recognition.detect import detect_batch, load_backend, smallest_face
from vitrail_recognition.detect.base import sides
from vitrail_recognition.photo import check_rgb

if TYPE_CHECKING:
    from vitrail.interfaces import Recognizer

TINY = 32
"""Faces less wide than this many pixels get a note: recognisers have seen few of them."""

NEARLY_AS_LARGE = 0.8


@dataclass(frozen=True, kw_only=True)
class AlignedFace:
    """A face in a photograph and its crop, (height, width, 3) uint8, as recognisers take it."""

    face: Face
    crop: NDArray[np.uint8]

    @property
    def width(self) -> float:
        """The shorter side of the face's box, in pixels of the photograph."""
        return min(sides(self.face))


@dataclass(frozen=True, kw_only=True)
class FaceFinder:
    """How faces are found and aligned. Call it with a photograph, or its `batch` with many.

    size, template: of the crops, as a recogniser's `spec.inputs` has them. backend, min_size, threshold,
    weights, device: see `detect`. aligned: photographs are such crops already, and nothing is searched.
    """

    size: tuple[int, int] = (112, 112)
    template: str = "arcface"
    backend: str = "mtcnn"
    min_size: float | None = None
    threshold: float | None = None
    weights: Path | str | None = None
    device: str = "cpu"
    aligned: bool = False

    @classmethod
    def for_recognizer(cls, recognizer: Recognizer, **settings: Any) -> FaceFinder:
        """With the crops that this recogniser takes."""
        inputs = recognizer.spec.inputs
        if inputs.size is None:
            raise UsageError(f"{recognizer.spec.id} does not say the size of its crops.")
        return cls(size=inputs.size, template=inputs.template, **settings)

    def load(self) -> None:
        """Load the detector now, so that a loop over photographs need not tell what is wrong with it from what is wrong
        with one of them: NotInstalledError for one without its package, UsageError without its weights."""
        if not self.aligned:
            load_backend(self.backend, weights=self.weights, device=self.device)

    def __call__(self, photo: NDArray[np.uint8]) -> list[AlignedFace]:
        """Every face in uint8 RGB (H, W, 3), largest first."""
        (found,) = self.batch([photo])
        return found

    def batch(self, photos: Sequence[NDArray[np.uint8]]) -> list[list[AlignedFace]]:
        """The faces in each of several photographs, whose sizes may differ; those of one size are searched together."""
        for photo in photos:
            check_rgb(photo)
        if self.aligned:
            return [[self._whole(photo)] for photo in photos]
        found = detect_batch(
            photos,
            backend=self.backend,
            min_size=self.min_size,
            threshold=self.threshold,
            weights=self.weights,
            device=self.device,
        )
        return [self._aligned(photo, faces) for photo, faces in zip(photos, found, strict=True)]

    def _aligned(self, photo: NDArray[np.uint8], faces: list[Face]) -> list[AlignedFace]:
        landmarks = [face.landmarks for face in faces]
        crops = align_batch([photo] * len(faces), landmarks, size=self.size, name=self.template)
        return [AlignedFace(face=face, crop=crop) for face, crop in zip(faces, crops, strict=True)]

    def take(
        self, found: list[AlignedFace], photo: NDArray[np.uint8], name: str, number: int | None = None
    ) -> tuple[int, list[str]]:
        """The index of the face that is meant, and what a person should know about the choice.

        number: counted from 1 in order of size; None takes the largest. InputError where there is no such face.
        """
        if not found:
            height, width = photo.shape[:2]
            raise InputError(
                f"No face was found in {name} ({width}x{height}); wanted is one of at least "
                f"{smallest_face((height, width), self.min_size):.0f} pixels. Give a larger, sharper or more "
                "frontal picture."
            )
        if number is not None and not 1 <= number <= len(found):
            raise InputError(
                f"Face {number} of {name} was asked for; faces 1 to {len(found)} were found in it."
            )
        index = 0 if number is None else number - 1
        notes = []
        if number is None and len(found) > 1:
            notes.append(_why_the_first(found, name))
        if found[index].width < TINY and not self.aligned:
            notes.append(
                f"The face in {name} is only {found[index].width:.0f} pixels wide: the similarity of faces under "
                f"{TINY} pixels says little."
            )
        return index, notes

    def _whole(self, photo: NDArray[np.uint8]) -> AlignedFace:
        height, width = photo.shape[:2]
        if (height, width) != self.size:
            raise InputError(
                f"it is {width}x{height} pixels; an aligned crop of {self.size[1]}x{self.size[0]} was promised."
            )
        box = np.array([0, 0, width, height], dtype=np.float32)
        points = template(self.template, self.size).astype(np.float32)
        return AlignedFace(face=Face(box=box, landmarks=points, score=1.0), crop=photo)


def find_faces(photo: NDArray[np.uint8], **settings: Any) -> list[AlignedFace]:
    """The faces in uint8 RGB (H, W, 3), aligned, largest first. Settings are those of `FaceFinder`."""
    return FaceFinder(**settings)(photo)


def _why_the_first(found: list[AlignedFace], name: str) -> str:
    left, top = found[0].face.box[:2]
    text = (
        f"{len(found)} faces were found in {name}; the largest was taken, {found[0].width:.0f} pixels wide at "
        f"{max(left, 0):.0f}, {max(top, 0):.0f}"
    )
    rivals = [
        index + 1
        for index, face in enumerate(found)
        if face.width >= NEARLY_AS_LARGE * found[0].width and index
    ]
    if not rivals:
        return text + "."
    which = f"number {rivals[0]} is" if len(rivals) == 1 else f"{len(rivals)} others are"
    return f"{text}. But {which} nearly as large: give the number of the face that is meant."
