"""Rasters: opening and describing them, and reading windows with their valid pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from vitrail.errors import InputError

GDAL_ERRORS = (RasterioError, CPLE_BaseError)


@dataclass(frozen=True)
class Georeference:
    """Where a raster lies: a CRS (None if unknown) with an affine transform, or with ground control points."""

    crs: Any = None
    transform: Any = None
    gcps: tuple[Any, ...] = ()

    @classmethod
    def of(cls, dataset: DatasetReader) -> Georeference:
        points, crs_of_points = dataset.gcps
        if points:
            return cls(crs=crs_of_points or dataset.crs, gcps=tuple(points))
        known = dataset.crs is not None or not dataset.transform.is_identity
        return cls(crs=dataset.crs, transform=dataset.transform if known else None)

    def profile(self) -> dict[str, Any]:
        """The keywords with which rasterio writes it."""
        values = {"crs": self.crs, "transform": self.transform, "gcps": list(self.gcps)}
        return {key: value for key, value in values.items() if value}

    def affine(self) -> Any:
        """Pixel to map coordinates; fitted to the control points by least squares where there is no transform."""
        if self.gcps:
            return rasterio.transform.from_gcps(self.gcps)
        return self.transform or rasterio.Affine.identity()

    def pixel_area(self) -> float | None:
        """Square metres of a pixel; None where the CRS is unknown or in degrees, or the pixels differ."""
        if self.transform is None or self.crs is None or not self.crs.is_projected:
            return None
        return float(abs(self.transform.determinant) * self.crs.linear_units_factor[1] ** 2)


@dataclass(frozen=True)
class RasterInfo:
    """What a raster holds. bands: a name for each, from its description or colour; dtype: numpy's name."""

    path: Path
    height: int
    width: int
    dtype: str
    bands: tuple[str, ...]
    georeference: Georeference
    nodata: float | None

    def __str__(self) -> str:
        place = self.georeference.crs.to_string() if self.georeference.crs else "no CRS"
        return f"{self.path}: {self.width} x {self.height} pixels, {self.band_list()}, {self.dtype}, {place}"

    def band_list(self) -> str:
        count = f"{len(self.bands)} band" + ("s" if len(self.bands) > 1 else "")
        named = [f"{index}: {name}" for index, name in enumerate(self.bands, 1) if name]
        return f"{count} ({', '.join(named)})" if named else count


@contextmanager
def quiet() -> Iterator[None]:
    """rasterio warns about every raster without coordinates; pictures have none, and are welcome."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


@contextmanager
def open_raster(path: Path | str) -> Iterator[DatasetReader]:
    """Open a raster for reading. InputError, in a sentence, for anything that is not a readable raster."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; wanted is a GeoTIFF or a picture.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; wanted is a GeoTIFF or a picture.")
    try:
        with quiet():
            dataset = rasterio.open(path)
    except GDAL_ERRORS as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}). Wanted is a whole GeoTIFF, another raster, PNG or JPEG."
        ) from error
    with dataset:
        if not dataset.count:
            parts = ", ".join(dataset.subdatasets[:3]) or "nothing that can be read"
            raise InputError(
                f"{path} has no bands of its own; it holds {parts}. Extract one as a GeoTIFF first."
            )
        if any(np.dtype(name).kind == "c" for name in dataset.dtypes):
            raise InputError(
                f"{path} holds complex numbers; wanted are real ones, for instance their magnitude."
            )
        yield dataset


def describe(dataset: DatasetReader) -> RasterInfo:
    """What an open raster holds."""
    names = []
    for description, colour in zip(dataset.descriptions, dataset.colorinterp, strict=True):
        plain = colour in (ColorInterp.undefined, ColorInterp.gray)
        names.append(description or ("" if plain else colour.name))
    return RasterInfo(
        path=Path(dataset.name),
        height=dataset.height,
        width=dataset.width,
        dtype=str(np.result_type(*dataset.dtypes)),
        bands=tuple(names),
        georeference=Georeference.of(dataset),
        nodata=dataset.nodata,
    )


def read_window(
    dataset: DatasetReader, bands: Sequence[int], window: Window, *, shape: tuple[int, int] | None = None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Pixels (h, w, bands) and which of them are valid (h, w); with `shape`, sampled down to (h, w) = `shape`.

    bands count from 1. Invalid are pixels outside an internal mask, transparent, nan, infinite, or nodata. A pixel
    is nodata where every chosen band of unsigned integers holds that value (0 or 255 in one band alone is an ordinary
    dark or bright pixel), and where any chosen band of other numbers does.

    Raises InputError where the file is damaged.
    """
    height, width = shape or (round(window.height), round(window.width))
    pixels = np.empty((height, width, len(bands)), dtype=np.result_type(*dataset.dtypes))
    options = {"window": window, "resampling": Resampling.nearest}
    try:
        dataset.read(list(bands), out=pixels.transpose(2, 0, 1), **options)
        valid = _masks(dataset, bands, (height, width), options)
    except GDAL_ERRORS as error:
        start = round(window.row_off)
        raise InputError(
            f"{dataset.name} is damaged: rows {start} to {start + round(window.height) - 1} cannot be read "
            f"({reason(error)}). Get the file again."
        ) from error
    if pixels.dtype.kind == "f":
        valid &= np.isfinite(pixels).all(axis=2)
    return pixels, valid


def _masks(
    dataset: DatasetReader, bands: Sequence[int], shape: tuple[int, int], options: dict[str, Any]
) -> NDArray[np.bool_]:
    flags = [dataset.mask_flag_enums[band - 1] for band in bands]
    if all(MaskFlags.all_valid in band for band in flags):
        return np.ones(shape, dtype=np.bool_)
    if MaskFlags.per_dataset in flags[0]:
        return dataset.read_masks(bands[0], out=np.empty(shape, np.uint8), **options) > 0
    masks = dataset.read_masks(list(bands), out=np.empty((len(bands), *shape), np.uint8), **options) > 0
    unsigned = all(np.dtype(dataset.dtypes[band - 1]).kind == "u" for band in bands)
    return masks.any(axis=0) if unsigned else masks.all(axis=0)


def reason(error: BaseException) -> str:
    """What GDAL itself said, without the layers above it."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split()).rstrip(".") or type(error).__name__
