"""A training set of pictures and captions in one file, which can travel."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from vitrail.errors import InputError, UsageError
from vitrail.files import atomic_path
from vitrail_avatars.base.words import told
from vitrail_avatars.pictures import Avatars, picture_number
from vitrail_avatars.seeds import stream

ACROSS = 3.9
"""Eye distances that a picture is wide: the head with its hair."""

TAUGHT = 0.5
"""In so many pictures the caption says what the person looks like, too."""


Encoded = tuple[list[bytes], list[str]]
"""A person's pictures and their captions."""


@dataclass(frozen=True)
class PictureFile:
    """images: (N, S, S, 3) uint8. captions: N. identities: (N,) int64."""

    images: NDArray[np.uint8]
    captions: list[str]
    identities: NDArray[np.int64]

    @classmethod
    def open(cls, path: Path | str) -> PictureFile:
        """InputError for what is no such file."""
        path = Path(path)
        try:
            with np.load(path) as found:
                blob, ends = found["jpegs"].tobytes(), found["ends"]
                captions = found["captions"].tobytes().decode().split("\n")
                identities = found["identities"]
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path} is no file of pictures and captions: {error}.") from error
        starts = [0, *ends[:-1].tolist()]
        images = [
            np.asarray(Image.open(io.BytesIO(blob[start:end])).convert("RGB"))
            for start, end in zip(starts, ends.tolist(), strict=True)
        ]
        return cls(np.stack(images), captions, identities)

    def __len__(self) -> int:
        return len(self.images)


def write_pictures(
    path: Path | str,
    *,
    people: int,
    views: int,
    size: int = 64,
    seed: int = 0,
    first: int = 0,
    workers: int = 0,
    track: Callable[[Iterable[Encoded]], Iterable[Encoded]] = iter,
) -> Path:
    """Draw pictures of people and write them, as JPEGs of quality 95, with captions to an .npz file.

    track: wraps the people, to show progress. UsageError for values out of range; nothing is left half-written.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise UsageError(f"{path} is no name for pictures; wanted is one that ends in .npz.")
    drawn = _Drawn(people, views, size, seed, first)
    jpegs: list[bytes] = []
    captions: list[str] = []
    for pictures, said in _flat(track(DataLoader(drawn, batch_size=None, num_workers=workers))):
        jpegs.append(pictures)
        captions.append(said)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            jpegs=np.frombuffer(b"".join(jpegs), np.uint8),
            ends=np.cumsum([len(jpeg) for jpeg in jpegs]),
            captions=np.frombuffer("\n".join(captions).encode(), np.uint8),
            identities=np.repeat(np.arange(first, first + people), views),
        )
    return path


class _Drawn(Dataset[Encoded]):
    """Item p is person `first + p`: their pictures and captions."""

    def __init__(self, people: int, views: int, size: int, seed: int, first: int) -> None:
        self.pictures = Avatars(seed=seed, people=people, views=views, size=size, across=ACROSS, first=first)

    def __len__(self) -> int:
        return self.pictures.people

    def __getitem__(self, place: int) -> Encoded:
        views, jpegs, captions = self.pictures.views, [], []
        for index in range(place * views, (place + 1) * views):
            example = self.pictures[index]
            file = io.BytesIO()
            Image.fromarray(example.picture.rgb).save(file, "JPEG", quality=95, subsampling=0)
            jpegs.append(file.getvalue())
            number = picture_number(example.identity, index % views)
            who = stream(self.pictures.seed, number, "what is said").random() < TAUGHT
            captions.append(told(example.person, example.scene, bool(who)))
        return jpegs, captions


def _flat(found: Iterable[Encoded]) -> Iterator[tuple[bytes, str]]:
    for jpegs, captions in found:
        yield from zip(jpegs, captions, strict=True)
