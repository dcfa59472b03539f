"""A folder of made-up identities: smooth random prototypes, turned, lit and photographed like faces.

    python packages/recognition/tools/make_people.py DIR --identities 400 --each 25            # to train on
    python packages/recognition/tools/make_people.py DIR --identities 100 --each 10 --first 400  # other people

Nobody is drawn. A person is a smooth random colour and a smooth random relief on an ellipsoid; a picture of them is
that head turned in space (yaw, pitch, roll), aligned by its five points to the template of ArcFace as a detector's
user would, lit from one side, before a random background, sometimes covered in part, blurred, noisy and saved as JPEG.
So two pictures of one person differ more in their pixels than pictures of two people under one light, and what tells
people apart has to be learnt. It stands in where no photographs can be had; a figure on it says nothing about faces.

Person `p`'s picture `i` follows from (--seed, p, i) alone. Reads and writes no other file.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates, zoom

from vitrail.files import atomic_folder
from vitrail_recognition.align import ARCFACE, similarity

SIZE = 112
CENTRE, RADII = np.array([56.0, 68.0]), np.array([42.0, 54.0, 40.0])
"""Of the head in a crop that looks straight ahead: pixels across, down, and towards the camera."""
MAP = 96
Maps = NDArray[np.float64]


@dataclass(frozen=True)
class Person:
    """A head: radii (3,) in pixels, and maps of its front from -1 to 1 in units of the radii.

    albedo: (3, MAP, MAP), 0 to 1. relief: (2, MAP, MAP), by how much the surface leans across and down besides.
    hair: (3,), the colour of what is not the front.
    """

    radii: Maps
    albedo: Maps
    relief: Maps
    hair: Maps


def smooth(rng: np.random.Generator, grid: int, channels: int, size: int = MAP) -> Maps:
    """A random field of about unit variance, with `grid` independent values along each side."""
    coarse = rng.normal(size=(channels, grid, grid))
    return np.stack([zoom(plane, size / grid, order=3, mode="nearest", grid_mode=True) for plane in coarse])


def make_person(seed: int, number: int) -> Person:
    rng = np.random.default_rng((seed, number))
    colour = np.array([0.62, 0.48, 0.40]) * rng.uniform(0.75, 1.15) + rng.normal(0, 0.03, (3,))
    shades = smooth(rng, 5, 1) * 0.10 + smooth(rng, 11, 1) * 0.09 + smooth(rng, 6, 3) * 0.035
    bumps = smooth(rng, 7, 1)[0] * 0.05 + smooth(rng, 13, 1)[0] * 0.02
    return Person(
        radii=RADII * rng.normal(1, 0.05, 3),
        albedo=np.clip(colour[:, None, None] + shades, 0.02, 0.98),
        relief=-np.stack(np.gradient(bumps, 2 / MAP)[::-1]),
        hair=np.array([0.5, 0.4, 0.3]) * rng.uniform(0.1, 1.2),
    )


def turn(rng: np.random.Generator) -> Maps:
    """A rotation (3, 3) in space: yaw, pitch and roll of a person who looks roughly at the camera."""
    yaw, pitch, roll = np.radians(
        [np.clip(rng.normal(0, 20), -45, 45), np.clip(rng.normal(0, 10), -25, 25), rng.normal(0, 8)]
    )
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def look_up(planes: Maps, unit: Maps) -> Maps:
    """Values (C, H, W) of maps (C, MAP, MAP) at `unit` (2, H, W): x and y from -1 to 1."""
    places = (unit[::-1] + 1) / 2 * (MAP - 1)
    return np.stack([map_coordinates(plane, places, order=1, mode="nearest") for plane in planes])


def front(unit: Maps) -> Maps:
    """The third coordinate of points on the unit sphere's front, from the first two (2, ...)."""
    return np.sqrt(np.clip(1 - (unit**2).sum(axis=0), 0, None))


def see(radii: Maps, rotation: Maps, jitter: Maps | float = 0.0) -> tuple[Maps, Maps, Maps]:
    """What each pixel of the aligned crop of a turned head shows.

    jitter: (5, 2), by how many pixels the five points were found wrongly.
    Returns points (3, 112, 112) of the unit sphere that the head is in units of its radii; how much of a pixel is head
    (112, 112); and the matrix (2, 3) that aligned the crop.
    """
    rest = (np.array(ARCFACE) - CENTRE).T / radii[:2, None]
    points = rotation @ (np.vstack([rest, front(rest)]) * radii[:, None])
    matrix = similarity(points[:2].T + CENTRE + jitter, np.array(ARCFACE))
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(float)
    moved = np.stack([columns, rows]) - matrix[:, 2][:, None, None]
    across = np.einsum("ij,jhw->ihw", np.linalg.inv(matrix[:, :2]), moved) - CENTRE[:, None, None]

    # a ray at (x, y) is start + t * along on that sphere; of the two places where it enters, the nearer is seen
    back = rotation.T / radii[:, None]
    start, along = np.einsum("ij,jhw->ihw", back[:, :2], across), back[:, 2]
    a, b = (along**2).sum(), np.einsum("i,ihw->hw", along, start)
    inside = b**2 - a * ((start**2).sum(axis=0) - 1)
    unit = start + along[:, None, None] * ((np.sqrt(np.clip(inside, 0, None)) - b) / a)
    return unit, np.clip(inside / a * 4, 0, 1), matrix


def photograph(person: Person, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One aligned crop (112, 112, 3) of a person."""
    rotation = turn(rng)
    unit, head, _ = see(person.radii, rotation, rng.normal(0, 0.7, (5, 2)))

    normal = unit / person.radii[:, None, None]
    normal /= np.linalg.norm(normal, axis=0) + 1e-9
    normal[:2] += look_up(person.relief, unit[:2])
    normal /= np.linalg.norm(normal, axis=0) + 1e-9
    towards = rng.normal(0, (0.7, 0.5, 0.25)) + np.array([0, -0.2, 1.0])
    light = rotation.T @ (towards / np.linalg.norm(towards))
    ambient = rng.uniform(0.25, 0.6)
    shade = ambient + (1 - ambient) * np.clip(np.einsum("i,ihw->hw", light, normal), 0, None)
    is_face = np.clip(unit[2] * 6, 0, 1)
    surface = is_face * look_up(person.albedo, unit[:2]) + (1 - is_face) * person.hair[:, None, None]
    face = surface * shade

    picture = head * face + (1 - head) * np.clip(
        rng.uniform(0.1, 0.8, (3, 1, 1)) + 0.15 * smooth(rng, 5, 3, SIZE), 0, 1
    )
    if rng.random() < 0.25:  # a hand, a scarf, hair: something before the face
        cover = np.clip((smooth(rng, 4, 1, SIZE)[0] - rng.uniform(1.0, 1.8)) * 6, 0, 1)
        picture = (1 - cover) * picture + cover * rng.uniform(0.05, 0.9, (3, 1, 1))
    picture = picture ** rng.uniform(0.7, 1.4) * rng.uniform(0.75, 1.2) * rng.normal(1, 0.06, (3, 1, 1))
    picture = gaussian_filter(picture, (0, *[rng.uniform(0, 1.3)] * 2))
    picture += rng.normal(0, rng.uniform(0.005, 0.05), picture.shape)
    return np.rint(picture.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)


def make_people(root: Path, *, identities: int, each: int, first: int = 0, seed: int = 0) -> None:
    """Write root/person00000/00.jpg and so on, for persons `first` to `first + identities - 1`."""
    for number in range(first, first + identities):
        person = make_person(seed, number)
        with atomic_folder(root / f"person{number:05d}") as folder:
            for picture in range(each):
                rng = np.random.default_rng((seed, number, picture))
                image = Image.fromarray(photograph(person, rng))
                image.save(folder / f"{picture:02d}.jpg", quality=int(rng.integers(60, 96)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--identities", type=int, default=400)
    parser.add_argument("--each", type=int, default=25)
    parser.add_argument("--first", type=int, default=0, help="number of the first person")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    make_people(
        arguments.folder,
        identities=arguments.identities,
        each=arguments.each,
        first=arguments.first,
        seed=arguments.seed,
    )
    print(f"Wrote {arguments.identities} identities with {arguments.each} pictures each.")
