"""Small folders in the exact layouts of the real downloads, and a component small enough to train in seconds."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail_cmunet.config import ISPRS


def write_tiff(path: Path, image: np.ndarray) -> None:
    """(H, W, bands) uint8, as the benchmark's tiles: three bands, photometric RGB, a strip for some rows."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, bands = image.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=bands,
            dtype="uint8",
            photometric="RGB",
        ) as file:
            file.write(np.moveaxis(image, -1, 0))


def blobs(rng: np.random.Generator, height: int, width: int, classes: int) -> np.ndarray:
    """Labels (H, W): a grid of cells, each of a random class."""
    cells = rng.integers(0, classes, (-(-height // 8), -(-width // 8)))
    return np.kron(cells, np.ones((8, 8), int))[:height, :width].astype(np.uint8)


def picture_of(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """An image in which each class has its own grey, with noise, so that it can be learnt and recognised."""
    grey = 20 + 30 * labels.astype(int)
    noisy = grey[..., None] + rng.integers(-8, 9, (*labels.shape, 3))
    return noisy.clip(1, 255).astype(np.uint8)


def erode(labels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Black where the right or the lower neighbour is of another class, as the _noBoundary masks."""
    edge = np.zeros(labels.shape, bool)
    edge[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    edge[:-1] |= labels[1:] != labels[:-1]
    return np.where(edge[..., None], 0, colours).astype(np.uint8)


class Maker:
    """Makes downloads. `tiles` remembers what was written: name -> (image, labels)."""

    def __init__(self) -> None:
        self.tiles: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def _tile(self, rng, name, height, width, classes=6):
        labels = blobs(rng, height, width, classes)
        self.tiles[name] = (picture_of(rng, labels), labels)
        return *self.tiles[name], ISPRS.array[labels]

    def vaihingen(self, root: Path, ids, size=(100, 70)) -> Path:
        rng = np.random.default_rng(1)
        for i in ids:
            name = f"top_mosaic_09cm_area{i}"
            image, labels, colours = self._tile(rng, name, *size)
            write_tiff(root / "top" / f"{name}.tif", image)
            write_tiff(root / "gts_for_participants" / f"{name}.tif", colours)
            eroded = root / "ISPRS_semantic_labeling_Vaihingen_ground_truth_eroded_COMPLETE"
            write_tiff(eroded / f"{name}_noBoundary.tif", erode(labels, colours))
        return root

    def potsdam(self, root: Path, ids, size=(96, 96)) -> Path:
        rng = np.random.default_rng(2)
        for i in ids:
            name = f"top_potsdam_{i}"
            image, labels, colours = self._tile(rng, name, *size)
            write_tiff(root / "2_Ortho_RGB" / f"{name}_RGB.tif", image)
            write_tiff(root / "3_Ortho_IRRG" / f"{name}_IRRG.tif", image[..., ::-1])
            write_tiff(root / "5_Labels_all" / f"{name}_label.tif", colours)
            write_tiff(
                root / "5_Labels_all_noBoundary" / f"{name}_label_noBoundary.tif", erode(labels, colours)
            )
        return root

    def loveda(self, root: Path, count=12, size=64) -> Path:
        rng = np.random.default_rng(3)
        number = 0
        for part in ("Train", "Val", "Test"):
            for scene in ("Urban", "Rural"):
                folder = root / part / scene
                (folder / "images_png").mkdir(parents=True)
                for _ in range(count):
                    image, labels, _ = self._tile(rng, f"{part}-{scene}-{number}", size, size)
                    Image.fromarray(image).save(folder / "images_png" / f"{number}.png")
                    if part != "Test":
                        (folder / "masks_png").mkdir(exist_ok=True)
                        raw = labels + 1
                        raw[:4, :4] = 0  # no data
                        Image.fromarray(raw).save(folder / "masks_png" / f"{number}.png")
                    number += 1
        return root


@pytest.fixture
def make() -> Maker:
    return Maker()
