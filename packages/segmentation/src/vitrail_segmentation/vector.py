"""Labels as polygons: GeoPackage where pyogrio is installed, GeoJSON always."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.features import shapes

from vitrail.errors import NotInstalledError, UsageError
from vitrail.files import atomic_path
from vitrail_segmentation.geotiff import IGNORE, unwritable
from vitrail_segmentation.raster import Georeference

ENDINGS = (".gpkg", ".geojson", ".json")
POLYGONS_AT_ONCE = 10_000

Polygon = tuple[dict[str, Any], int]
"""A GeoJSON geometry in map coordinates, and its class"""


def write_polygons(
    path: Path | str,
    labels: NDArray[np.uint8],
    *,
    classes: Sequence[str],
    georeference: Georeference | None = None,
) -> int:
    """Write a polygon for every connected area of one class (neighbours share an edge); returns how many.

    labels: (H, W) uint8; 255 becomes no polygon. Each polygon has the fields `class_id` and `class`, and the
    coordinates are those of the raster's own CRS. GeoJSON names that CRS in the member `crs`, which GDAL and QGIS
    read although the current standard no longer has it.
    """
    path = Path(path)
    check_ending(path)
    georeference = georeference or Georeference()
    polygons = _polygons(labels, georeference)
    with atomic_path(path) as temporary:
        try:
            if path.suffix == ".gpkg":
                return _write_geopackage(temporary, path.stem, polygons, classes, georeference)
            return _write_geojson(temporary, polygons, classes, georeference)
        except (OSError, RuntimeError) as error:
            raise unwritable(path, error) from error


def check_ending(path: Path) -> None:
    """UsageError for a format that cannot be written, NotInstalledError where GeoPackage lacks its packages."""
    if path.suffix not in ENDINGS:
        raise UsageError(f"{path} ends in {path.suffix!r}; polygons are written as .gpkg or .geojson.")
    if path.suffix == ".gpkg":
        try:
            import pyogrio  # noqa: F401
            import shapely  # noqa: F401
        except ImportError as error:
            raise NotInstalledError(
                f'{path.name} needs the extra `vector`: pip install "vitrail-segmentation[vector]" '
                "(or write a .geojson)."
            ) from error


def _polygons(labels: NDArray[np.uint8], georeference: Georeference) -> Iterator[Polygon]:
    found = shapes(labels, mask=labels != IGNORE, connectivity=4, transform=georeference.affine())
    return ((geometry, int(value)) for geometry, value in found)


def _write_geojson(
    path: Path, polygons: Iterator[Polygon], classes: Sequence[str], georeference: Georeference
) -> int:
    head: dict[str, Any] = {"type": "FeatureCollection"}
    if georeference.crs is not None:
        head["crs"] = {"type": "name", "properties": {"name": _crs_name(georeference.crs)}}
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head)[:-1] + ', "features": [')
        for geometry, k in polygons:
            feature = {
                "type": "Feature",
                "properties": {"class_id": k, "class": classes[k]},
                "geometry": geometry,
            }
            file.write(("," if count else "") + "\n" + json.dumps(feature, ensure_ascii=False))
            count += 1
        file.write("\n]}\n")
    return count


def _crs_name(crs: Any) -> str:
    authority = crs.to_authority()
    return f"urn:ogc:def:crs:{authority[0]}::{authority[1]}" if authority else crs.to_wkt()


def _write_geopackage(
    path: Path, layer: str, polygons: Iterator[Polygon], classes: Sequence[str], georeference: Georeference
) -> int:
    import shapely
    from pyogrio.raw import write

    path.unlink(missing_ok=True)  # an empty file is no GeoPackage to write into
    names = np.array(classes, dtype=object)
    count = 0
    while True:
        some = list(islice(polygons, POLYGONS_AT_ONCE))
        if count and not some:
            return count
        ids = np.array([k for _, k in some], dtype=np.int32)
        geometry = [shapely.to_wkb(shapely.geometry.shape(shape)) for shape, _ in some]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="'crs' was not provided")
            write(
                path,
                geometry=np.array(geometry, dtype=object),
                field_data=[ids, names[ids]],
                fields=np.array(["class_id", "class"], dtype=object),
                layer=layer,
                driver="GPKG",
                geometry_type="Polygon",
                crs=georeference.crs.to_wkt() if georeference.crs else None,
                append=count > 0,
            )
        count += len(some)
        if not some:
            return 0
