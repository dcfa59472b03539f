"""Maps of numbers, such as how sure a segmenter is of each pixel: as GeoTIFF, and as colours for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from vitrail.errors import InputError
from vitrail.files import atomic_path
from vitrail_segmentation.geotiff import unwritable
from vitrail_segmentation.raster import GDAL_ERRORS, Georeference, quiet

RAMP = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Colours from 0 to 1, dark to light, that the colour-blind tell apart (viridis)."""


def write_maps(
    path: Path | str, maps: Mapping[str, NDArray[np.float32]], *, georeference: Georeference | None = None
) -> Path:
    """Write maps (H, W) of one size as the float32 bands of a GeoTIFF, described by their names, whole or not at all.

    nan is nodata.
    """
    path = Path(path)
    shapes = {values.shape for values in maps.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise InputError(f"maps have the shapes {sorted(shapes)}; wanted is one (H, W) for all of them.")
    height, width = shapes.pop()
    with atomic_path(path) as temporary:
        try:
            with (
                quiet(),
                rasterio.Env(GDAL_PAM_ENABLED="NO"),
                rasterio.open(
                    temporary,
                    "w",
                    driver="GTiff",
                    height=height,
                    width=width,
                    count=len(maps),
                    dtype="float32",
                    nodata=float("nan"),
                    compress="deflate",
                    predictor=3,
                    **(georeference or Georeference()).profile(),
                ) as dataset,
            ):
                for band, (name, values) in enumerate(maps.items(), start=1):
                    dataset.write(values.astype(np.float32), band)
                    dataset.set_band_description(band, name)
        except (*GDAL_ERRORS, OSError) as error:
            raise unwritable(path, error) from error
    return path


def heat(values: NDArray[np.floating], *, low: float = 0.0, high: float = 1.0) -> NDArray[np.uint8]:
    """Numbers (H, W) -> colours (H, W, 3), dark at `low` and light at `high`."""
    stops = np.linspace(0, 1, len(RAMP))
    place = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    bands = [np.interp(place, stops, [colour[k] for colour in RAMP]) for k in range(3)]
    return np.rint(np.stack(bands, axis=-1)).astype(np.uint8)
