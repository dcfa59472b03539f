"""Find faces in a photograph: `detect(image)`, or in many: `detect_batch(images)`.

MTCNN comes with this package; insightface's SCRFD is there for those who have its weights.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail.specs import resolve
from vitrail_recognition.detect.base import Detection, Detector, largest_first, resized
from vitrail_recognition.photo import check_rgb, shrink

BACKENDS = {
    "mtcnn": "vitrail_recognition.detect.mtcnn:Backend",
    "scrfd": "vitrail_recognition.detect.scrfd:Backend",
}
SMALLEST = 20
"""Side of the smallest face that is looked for, in pixels of the photograph as it is searched."""
LEAST = 10
"""Side of the smallest face that may be asked for, in pixels of the photograph."""
AT_ONCE = 16
"""So many photographs of one size go through a detector together."""
LONGEST = 1600
"""A photograph with a longer side is searched in a smaller copy: faces in it are large enough."""

__all__ = [
    "BACKENDS",
    "Detection",
    "Detector",
    "LEAST",
    "LONGEST",
    "SMALLEST",
    "detect",
    "detect_batch",
    "load_backend",
]


def detect(
    image: NDArray[np.uint8],
    *,
    backend: str = "mtcnn",
    min_size: float | None = None,
    threshold: float | None = None,
    weights: Path | str | None = None,
    device: str = "cpu",
) -> list[Detection]:
    """The faces in uint8 RGB (H, W, 3), largest first; an empty list where there are none.

    backend: "mtcnn", or "scrfd" (extra `insightface`, `weights` its ONNX file).
    min_size: side of the smallest face in pixels. None: 20, or more in a photograph whose longer side is over
        LONGEST and that is therefore searched in a smaller copy (50 at 4000 pixels). A smaller `min_size`
        that is asked for is searched for, which takes longer; UsageError below LEAST.
    threshold: least score, 0 to 1; None for the backend's own (0.9 for mtcnn, 0.5 for scrfd).

    Boxes and landmarks are in pixels of the image that was given.
    """
    (found,) = detect_batch(
        [image], backend=backend, min_size=min_size, threshold=threshold, weights=weights, device=device
    )
    return found


def detect_batch(
    images: Sequence[NDArray[np.uint8]],
    *,
    backend: str = "mtcnn",
    min_size: float | None = None,
    threshold: float | None = None,
    weights: Path | str | None = None,
    device: str = "cpu",
) -> list[list[Detection]]:
    """What `detect` finds in each of several photographs, whose sizes may differ.

    Those of one size, such as the frames of a video, go through the networks together.
    """
    if min_size is not None and not min_size >= LEAST:
        raise UsageError(
            f"min_size is {min_size:g}; wanted is at least {LEAST} pixels: nothing can be told of smaller faces, and a "
            "large photograph would be enlarged beyond all memory to look for them."
        )
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"threshold is {threshold}; wanted is 0 to 1.")
    find = load_backend(backend, weights=weights, device=device)
    least = find.threshold if threshold is None else threshold
    alike: dict[tuple[int, ...], list[int]] = {}
    for number, image in enumerate(images):
        check_rgb(image)
        alike.setdefault(image.shape, []).append(number)
    found: list[list[Detection]] = [[] for _ in images]
    for shape, numbers in alike.items():
        side = longest_side(shape[:2], min_size)
        for first in range(0, len(numbers), AT_ONCE):
            chosen = numbers[first : first + AT_ONCE]
            searched = np.stack([shrink(images[number], side) for number in chosen])
            across, down = (shape[axis] / searched.shape[1 + axis] for axis in (1, 0))
            smallest = SMALLEST if min_size is None else min_size / max(across, down)
            for number, faces in zip(chosen, find(searched, min_size=smallest, threshold=least), strict=True):
                if searched.shape[1:] != shape:
                    faces = [resized(face, (across, down)) for face in faces]
                found[number] = largest_first(faces)
    return found


def longest_side(size: tuple[int, ...], min_size: float | None) -> int:
    """To which longer side a photograph of (height, width) is shrunk; faces of `min_size` keep SMALLEST pixels."""
    if min_size is None or min_size >= SMALLEST * max(size) / LONGEST:
        return LONGEST
    return max(LONGEST, round(max(size) * min(SMALLEST / min_size, 1)))


def smallest_face(size: tuple[int, ...], min_size: float | None) -> float:
    """Side of the smallest face that `detect` looks for in a photograph of (height, width)."""
    return max(SMALLEST, SMALLEST * max(size) / LONGEST) if min_size is None else min_size


@functools.lru_cache(maxsize=4)
def load_backend(name: str, *, weights: Path | str | None = None, device: str = "cpu") -> Detector:
    """The detector of this name, loaded once. UsageError for an unknown one."""
    if name not in BACKENDS:
        raise UsageError(f"{name!r} is no detector; there are {' and '.join(BACKENDS)}.")
    made: Detector = resolve(BACKENDS[name], wanted_by=f"the detector {name}")(weights, device)
    return made
