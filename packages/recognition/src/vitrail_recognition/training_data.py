"""Labelled faces as the training loop reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError
from vitrail_recognition.augment import augment
from vitrail_recognition.decode import Pixels
from vitrail_recognition.readers.bins import PairBin
from vitrail_recognition.readers.faces import Faces
from vitrail_recognition.readers.ijb import IJB
from vitrail_recognition.readers.opening import open_faces
from vitrail_recognition.training_config import FaceDataConfig

SIZE = 112
"""Height and width of a training crop."""
LOOK_AT = 20


class TrainingFaces:
    """Samples {"image": (3, 112, 112) float32 in -1 to 1, "label": int} for `vitrail_training.fit`.

    faces: aligned crops. flip: how often one is mirrored. augment: how often each of the changes of `augment` is made.
    The loop's generator decides, so that a resumed run sees the same. A crop that cannot be decoded, or has another
    size, raises InputError: the loop leaves it out with a count, or stops with `strict`. Nothing is resized, since a
    crop of another size is aligned otherwise too.
    """

    def __init__(self, faces: Faces, *, flip: float = 0.5, augment: float = 0.0) -> None:
        self.faces, self.flip, self.augment = faces, flip, augment

    @property
    def classes(self) -> int:
        return self.faces.classes

    def __len__(self) -> int:
        return len(self.faces)

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        image, label = self.faces[index]
        _check_size(image, f"Training image {index}")
        if rng.random() < self.flip:
            image = image[:, ::-1]
        if self.augment:
            image = augment(image, self.augment, rng)
        return {"image": normalise(image), "label": label}


def normalise(image: Pixels) -> NDArray[np.float32]:
    """(H, W, 3) uint8 -> (3, H, W) float32, (value - 127.5) / 127.5."""
    planes = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)
    planes -= np.float32(127.5)
    planes /= np.float32(127.5)
    return planes


def open_training_faces(config: FaceDataConfig) -> TrainingFaces:
    """Open what `config.data` names.

    Raises UsageError where that is nothing to train on: no path, a verification set, fewer than two identities, or
    pictures of another size.
    """
    if not config.data:
        raise UsageError(
            "No training data was given; give --data a folder with one folder for each identity, a .rec, or a "
            "folder of .tar shards, of aligned crops 112 x 112."
        )
    faces = open_faces(config.data, classes=config.classes or None)
    if isinstance(faces, PairBin | IJB):
        raise UsageError(
            f"{config.data} is a verification set, which has no identities to train on; give it to --verify."
        )
    if faces.classes < 2:
        raise UsageError(f"{config.data} holds one identity; wanted are at least two, to tell them apart.")
    _look_at_the_first(faces, config.data)
    return TrainingFaces(faces, flip=config.flip, augment=config.augment)


def _look_at_the_first(faces: Faces, where: str) -> None:
    """Refuse a set of unaligned photographs before a run is begun. Damaged ones are the loop's to count."""
    for index in range(min(len(faces), LOOK_AT)):
        try:
            image, _ = faces[index]
        except InputError:
            continue
        try:
            _check_size(image, f"Picture {index} of {where}")
        except InputError as error:
            raise UsageError(str(error)) from error
        return


def _check_size(image: Pixels, what: str) -> None:
    if image.shape != (SIZE, SIZE, 3):
        height, width = image.shape[:2]
        raise InputError(
            f"{what} is {height}x{width}; wanted are aligned crops of {SIZE}x{SIZE}, and nothing is resized, for that "
            "would not align it. Find and align the faces first."
        )
