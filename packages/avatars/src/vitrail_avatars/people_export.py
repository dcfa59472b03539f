"""Rendered people as recognisers read them: aligned crops, in folders of identities or in RecordIO."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from vitrail.errors import NotInstalledError, UsageError
from vitrail.files import atomic_folder
from vitrail_avatars.pictures import Avatars, picture_number
from vitrail_avatars.population import Person
from vitrail_avatars.scenes import description
from vitrail_avatars.seeds import stream

Layout = Literal["folders", "recordio"]
WIDE = 12 / 7
"""A picture is so many times as wide as the crop that is cut out of it, so that faces are never enlarged much."""


@dataclass(frozen=True)
class Somebody:
    """person, and their pictures: encoded JPEGs of aligned crops."""

    person: Person
    pictures: list[bytes]


def export_people(
    out: Path | str,
    *,
    people: int,
    views: int,
    seed: int = 0,
    first: int = 0,
    size: int = 112,
    layout: Layout = "folders",
    degraded: bool = True,
    jitter: float = 0.03,
    quality: int = 92,
    workers: int = 0,
    track: Callable[[Iterable[Somebody]], Iterable[Somebody]] = iter,
) -> Path:
    """Write people to a new folder, and return it.

    people, views: how many, and pictures of each. first: number of the first person. size: side of the crops, pixels, a
    multiple of 112 or 128. layout: "folders" has `0000012/000.jpg`, "recordio" insightface's `train.rec`, `train.idx`
    and `property`. degraded: with grain, blur and JPEG. jitter: how far the points that crops are aligned by lie off,
    as a detector's do, in eye distances. quality: of the crops' JPEG. workers: processes; the pictures are the same for
    any number. track: wraps the people, to show progress.

    Beside the pictures lies `people.csv`: label, number, gender, age, ancestry and a description of each person.
    UsageError for values out of range and where `out` is there already; nothing is left half-written.
    """
    try:
        from vitrail_recognition.readers.record_faces import write_record_faces
    except ModuleNotFoundError as error:
        raise NotInstalledError(
            'Crops for recognisers need vitrail-recognition: pip install "vitrail-avatars[recognition]"'
        ) from error

    if layout not in ("folders", "recordio"):
        raise UsageError(f"layout is {layout}; wanted is folders or recordio.")
    faces = Crops(people, views, seed, first, size, degraded, jitter, quality)
    with (
        atomic_folder(out) as folder,
        (folder / "people.csv").open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file)
        table.writerow(("label", "number", "gender", "age", "african", "asian", "caucasian", "description"))
        found = _listed(track(DataLoader(faces, batch_size=None, num_workers=workers)), table)
        if layout == "recordio":
            every = ((picture, label) for label, one in found for picture in one.pictures)
            write_record_faces(folder, every, classes=people, size=(size, size))
        else:
            for label, one in found:
                own = folder / f"{label:07d}"
                own.mkdir()
                for number, picture in enumerate(one.pictures):
                    (own / f"{number:03d}.jpg").write_bytes(picture)
    return Path(out)


class Crops(Dataset[Somebody]):
    """Item p is person `first + p` with all their pictures; see `export_people`."""

    def __init__(
        self,
        people: int,
        views: int,
        seed: int,
        first: int,
        size: int,
        degraded: bool,
        jitter: float,
        quality: int,
    ) -> None:
        from vitrail_recognition.align import template

        template(size=(size, size))  # refuses sizes that are none
        if not 0 <= jitter <= 0.5:
            raise UsageError(f"jitter is {jitter}; wanted is 0 to 0.5 eye distances.")
        if not 1 <= quality <= 100:
            raise UsageError(f"quality is {quality}; wanted is 1 to 100.")
        self.pictures = Avatars(
            seed=seed, people=people, views=views, size=round(WIDE * size), degraded=degraded, first=first
        )
        self.size, self.jitter, self.quality = size, jitter, quality

    def __len__(self) -> int:
        return self.pictures.people

    def __getitem__(self, place: int) -> Somebody:
        from vitrail_recognition.align import align

        views, pictures = self.pictures.views, []
        for index in range(place * views, (place + 1) * views):
            example = self.pictures[index]
            points = example.picture.landmarks_5
            eyes = np.linalg.norm(points[1] - points[0])
            number = picture_number(example.identity, index % views)
            off = stream(self.pictures.seed, number, "alignment").normal(0, 1, (5, 2))
            crop = align(example.picture.rgb, points + self.jitter * eyes * off, size=(self.size, self.size))
            file = io.BytesIO()
            Image.fromarray(crop).save(file, "JPEG", quality=self.quality)
            pictures.append(file.getvalue())
        return Somebody(example.person, pictures)


def _listed(found: Iterable[Somebody], table: Any) -> Iterator[tuple[int, Somebody]]:
    """Labels and people, each with a line of the table."""
    for label, one in enumerate(found):
        who = one.person
        shares = (round(share, 3) for share in who.ancestry)
        table.writerow((label, who.number, who.gender, round(who.age, 1), *shares, description(who)))
        yield label, one
