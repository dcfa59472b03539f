"""What is to be segmented: a raster on disk that is read in windows, or a picture in memory.

A scene gives pixels as the segmenter wants them, whatever the file holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader
from rasterio.windows import Window

from vitrail.errors import InputError, UsageError
from vitrail.results import open_image
from vitrail_segmentation.raster import Georeference, describe, open_raster, read_window
from vitrail_segmentation.stretch import percentiles, stretch

PICTURE_DRIVERS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
PICTURE_PIXELS = 64_000_000
SAMPLE_SIDE = 1024

Pixels = tuple[NDArray[Any], NDArray[np.bool_]]
"""pixels (h, w, bands) and which are valid, (h, w)"""


class Scene(Protocol):
    """An image of any size, read piece by piece."""

    name: str
    height: int
    width: int
    georeference: Georeference
    is_picture: bool

    def read(self, top: int, left: int, height: int, width: int) -> Pixels: ...

    def preview(self, longest: int) -> Pixels:
        """The whole scene, sampled down so that no side is longer than `longest`."""


@dataclass
class ArrayScene:
    """An image (H, W, bands) in memory; `valid` (H, W) bool or None for all."""

    image: NDArray[Any]
    valid: NDArray[np.bool_] | None = None
    name: str = "the image"
    georeference: Georeference = field(default_factory=Georeference)
    is_picture: bool = True

    def __post_init__(self) -> None:
        if self.image.ndim != 3:
            raise InputError(f"{self.name} has shape {self.image.shape}; wanted is (H, W, bands).")
        self.height, self.width = self.image.shape[:2]
        finite = np.isfinite(self.image).all(axis=2) if self.image.dtype.kind == "f" else None
        if self.valid is None:
            self.valid = np.ones(self.image.shape[:2], dtype=np.bool_) if finite is None else finite
        elif self.valid.shape != self.image.shape[:2]:
            raise InputError(
                f"{self.name} is {self.image.shape[:2]} and its mask {self.valid.shape}; sizes must agree."
            )
        elif finite is not None:
            self.valid = self.valid & finite

    def read(self, top: int, left: int, height: int, width: int) -> Pixels:
        box = (slice(top, top + height), slice(left, left + width))
        assert self.valid is not None
        return self.image[box].copy(), self.valid[box]

    def preview(self, longest: int) -> Pixels:
        rows, columns = (sample_positions(side, size) for side, size in self._sizes(longest))
        assert self.valid is not None
        box = np.ix_(rows, columns)
        return self.image[box], self.valid[box]

    def _sizes(self, longest: int) -> list[tuple[int, int]]:
        return list(
            zip((self.height, self.width), preview_size(self.height, self.width, longest), strict=True)
        )


@dataclass
class RasterScene:
    """An open raster. `bands` count from 1; `convert` changes what was read to what the segmenter takes."""

    dataset: DatasetReader
    bands: tuple[int, ...]
    convert: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    is_picture: bool = False

    def __post_init__(self) -> None:
        self.name = self.dataset.name
        self.height, self.width = self.dataset.height, self.dataset.width
        self.georeference = Georeference.of(self.dataset)

    def read(self, top: int, left: int, height: int, width: int) -> Pixels:
        return self._read(Window(left, top, width, height))

    def preview(self, longest: int) -> Pixels:
        shape = preview_size(self.height, self.width, longest)
        return self._read(Window(0, 0, self.width, self.height), shape=shape)

    def _read(self, window: Window, **options: Any) -> Pixels:
        pixels, valid = read_window(self.dataset, self.bands, window, **options)
        return (pixels if self.convert is None else self.convert(pixels)), valid


@contextmanager
def open_scene(
    path: Path | str,
    *,
    wanted_by: str = "the model",
    bands_wanted: int | None = None,
    dtypes: Sequence[str] = ("uint8",),
    bands: Sequence[int] | None = None,
    tile: int = 512,
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[Scene]:
    """Open a picture or raster for a segmenter that takes `bands_wanted` bands (None: any) of one of `dtypes`.

    bands: which bands of the file, in the segmenter's order, from 1. Without it: red, green and blue where the
    segmenter takes RGB and the file says which bands these are; else all bands but alpha, if their number fits.

    A file of another type is cast where no value changes by that. Where only uint8 will do, every band is stretched
    from its 2nd and 98th percentile to 0 and 255; `note` is told.

    The memory for decoded blocks is limited to what one row of tiles of `tile` pixels takes.
    """
    with open_raster(path) as dataset:
        if _is_picture(dataset, bands, bands_wanted) and "uint8" in dtypes:
            yield _open_picture(Path(path))
            return
        chosen = _choose_bands(dataset, wanted_by, bands_wanted, bands, dtypes)
        with rasterio.Env(GDAL_CACHEMAX=_cache_bytes(dataset, tile)):
            convert = _conversion(dataset, chosen, wanted_by, dtypes, note)
            yield RasterScene(dataset, chosen, convert)


def preview_size(height: int, width: int, longest: int) -> tuple[int, int]:
    """(height, width) with the longest side at most `longest`, never enlarged, never 0."""
    scale = min(1.0, longest / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def sample_positions(length: int, count: int) -> NDArray[np.intp]:
    """`count` pixel positions spread evenly over an axis of `length`, as nearest-neighbour sampling takes them."""
    return np.minimum(((np.arange(count) + 0.5) * length / count).astype(np.intp), length - 1)


def _is_picture(dataset: DatasetReader, bands: Sequence[int] | None, bands_wanted: int | None) -> bool:
    return (
        dataset.driver in PICTURE_DRIVERS
        and bands is None
        and bands_wanted in (None, 3)
        and dataset.dtypes[0] == "uint8"
        and dataset.crs is None
        and dataset.transform.is_identity
        and dataset.height * dataset.width <= PICTURE_PIXELS
    )


def _open_picture(path: Path) -> ArrayScene:
    """An ordinary picture, upright and in RGB whatever its colour mode; transparent pixels are invalid."""
    from PIL import Image, ImageOps

    image = open_image(path)
    with Image.open(path) as opened:
        valid = None
        if opened.has_transparency_data:
            alpha = ImageOps.exif_transpose(opened).convert("RGBA").getchannel("A")
            valid = np.array(alpha) > 0
    return ArrayScene(image, valid, name=str(path))


def _choose_bands(
    dataset: DatasetReader,
    wanted_by: str,
    wanted: int | None,
    bands: Sequence[int] | None,
    dtypes: Sequence[str],
) -> tuple[int, ...]:
    info = describe(dataset)
    if bands is not None:
        outside = [band for band in bands if not 1 <= band <= dataset.count]
        if outside or not bands:
            raise UsageError(
                f"--bands asks for {', '.join(map(str, bands)) or 'nothing'}; {info.path} has {info.band_list()}, "
                "counted from 1."
            )
        if wanted is not None and len(bands) != wanted:
            raise UsageError(
                f"--bands names {len(bands)} bands; {wanted_by} takes {wanted}, in its own order."
            )
        return tuple(bands)
    colours = dataset.colorinterp
    rgb = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if wanted == 3 and tuple(dtypes) == ("uint8",) and all(colour in colours for colour in rgb):
        return tuple(colours.index(colour) + 1 for colour in rgb)
    data = tuple(index for index, colour in enumerate(colours, 1) if colour != ColorInterp.alpha)
    if wanted is None or len(data) == wanted:
        return data
    example = ",".join(str(min(index, dataset.count)) for index in range(1, wanted + 1))
    raise InputError(
        f"{info.path} has {info.band_list()}; {wanted_by} takes {wanted}. Name {wanted} of them in the model's order "
        f"with --bands, for instance --bands {example}."
    )


def _conversion(
    dataset: DatasetReader,
    bands: tuple[int, ...],
    wanted_by: str,
    dtypes: Sequence[str],
    note: Callable[[str], None],
) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
    held = np.result_type(*dataset.dtypes)
    if str(held) in dtypes:
        return None
    for name in dtypes:
        if np.can_cast(held, name):
            return lambda pixels: pixels.astype(name)
    if held == np.float64 and "float32" in dtypes:
        return lambda pixels: pixels.astype(np.float32)
    if "uint8" not in dtypes:
        raise InputError(
            f"{dataset.name} holds {held}; {wanted_by} takes {' or '.join(dtypes)}. Convert it, for instance: "
            f"gdal_translate -ot {_gdal_type(dtypes[0])} {Path(dataset.name).name} converted.tif"
        )
    low, high = _limits(dataset, bands)
    note(
        f"{dataset.name} holds {held} and {wanted_by} takes uint8: each band is stretched from its 2nd to its 98th "
        f"percentile ({', '.join(f'{a:.6g} to {b:.6g}' for a, b in zip(low, high, strict=True))})."
    )
    return lambda pixels: stretch(pixels, low, high)


def _limits(
    dataset: DatasetReader, bands: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shape = preview_size(dataset.height, dataset.width, SAMPLE_SIDE)
    whole = Window(0, 0, dataset.width, dataset.height)
    return percentiles(*read_window(dataset, bands, whole, shape=shape))


def _cache_bytes(dataset: DatasetReader, tile: int) -> int:
    """Room for the blocks under one row of tiles, so that no block is decoded twice in it."""
    block_height = max(height for height, _ in dataset.block_shapes)
    rows = (-(-tile // block_height) + 1) * block_height
    pixel = sum(np.dtype(name).itemsize for name in dataset.dtypes) + 1
    return int(np.clip(rows * dataset.width * pixel, 64 << 20, 1 << 30))


def _gdal_type(dtype: str) -> str:
    return {"uint8": "Byte", "uint16": "UInt16", "int16": "Int16", "float32": "Float32"}.get(dtype, dtype)
