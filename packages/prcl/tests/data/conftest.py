"""Small pictures, masks and rasters, and the layouts that people keep them in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from vitrail_segmentation.raster import quiet


class Maker:
    """Writes files below a folder; what it writes differs from file to file."""

    def __init__(self, root: Path) -> None:
        self.root, self.rng = root, np.random.default_rng(5)

    def picture(self, path: str, size=(12, 16), **options) -> np.ndarray:
        """An RGB picture; returns it, (H, W, 3)."""
        image = self.rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        self._save(Image.fromarray(image), path, **options)
        return image

    def mask(self, path: str, values=None, size=(12, 16), mode="L") -> np.ndarray:
        """A mask of class numbers, of random ones 0 to 2 by default; returns it, (H, W)."""
        values = self.rng.integers(0, 3, size) if values is None else np.asarray(values)
        values = values.astype(np.uint8)
        picture = Image.fromarray(values)
        if mode == "P":
            picture.putpalette([channel for k in range(256) for channel in (k, 255 - k, 7)])
        self._save(picture, path)
        return values

    def raster(self, path: str, pixels: np.ndarray, **profile) -> Path:
        """A TIFF of (H, W, bands)."""
        place = self._place(path)
        values = {"height": pixels.shape[0], "width": pixels.shape[1], "count": pixels.shape[2]}
        with (
            quiet(),
            rasterio.open(place, "w", driver="GTiff", dtype=pixels.dtype, **values, **profile) as dataset,
        ):
            dataset.write(pixels.transpose(2, 0, 1))
        return place

    def text(self, path: str, text: str) -> Path:
        place = self._place(path)
        place.write_text(text, encoding="utf-8")
        return place

    def folder(self, names=("a", "b", "c")) -> Path:
        """A labelled folder of three classes."""
        for name in names:
            self.picture(f"images/{name}.jpg")
            self.mask(f"masks/{name}.png")
        return self.root

    def voc(self, ids=("2007_000032", "2007_000039")) -> Path:
        for name in ids:
            self.picture(f"JPEGImages/{name}.jpg")
            self.mask(f"SegmentationClass/{name}.png", mode="P")
        return self.root

    def cityscapes(self, ids=(("train", "aachen_000013_000019"), ("val", "lindau_000000_000019"))) -> Path:
        for part, name in ids:
            city = name.split("_")[0]
            self.picture(f"leftImg8bit/{part}/{city}/{name}_leftImg8bit.png")
            self.mask(
                f"gtFine/{part}/{city}/{name}_gtFine_labelIds.png",
                np.arange(12 * 16).reshape(12, 16) % 34,
            )
        return self.root

    def cut(self, path: str, keep: int = 60) -> None:
        """Leave only the first bytes of a file."""
        place = self.root / path
        place.write_bytes(place.read_bytes()[:keep])

    def _save(self, picture, path, **options) -> None:
        picture.save(self._place(path), **options)

    def _place(self, path: str) -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


@pytest.fixture
def make(tmp_path) -> Maker:
    return Maker(tmp_path / "A")


@pytest.fixture
def rng():
    return np.random.default_rng(7)
