"""Labels as GeoTIFF, cloud-optimised GeoTIFF or PNG, and back."""

from __future__ import annotations

import errno
import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from vitrail.errors import InputError, UsageError, VitrailError
from vitrail.files import atomic_path
from vitrail.results import Segmentation
from vitrail_segmentation.raster import (
    GDAL_ERRORS,
    Georeference,
    describe,
    open_raster,
    quiet,
    read_window,
    reason,
)

IGNORE = 255
BLOCK = 512
CLASS_NAMES = "CLASS_NAMES"

Format = Literal["gtiff", "cog", "png"]
Rows = Callable[[int, int], NDArray[np.uint8]]
"""rows(start, stop) -> labels (stop - start, width) uint8"""


def write_labels(
    path: Path | str,
    labels: NDArray[np.integer],
    *,
    classes: Sequence[str],
    palette: NDArray[np.uint8],
    georeference: Georeference | None = None,
    format: Format = "gtiff",
) -> Path:
    """Write labels (H, W) whole or not at all; 255 is unlabelled. See `write_label_file` for what is in the file."""
    path = Path(path)
    height, width = labels.shape
    with atomic_path(path) as temporary:
        write_label_file(
            temporary,
            lambda start, stop: labels[start:stop].astype(np.uint8),
            (height, width),
            classes=classes,
            palette=palette,
            georeference=georeference or Georeference(),
            format=format,
            shown_as=path,
        )
    return path


def write_label_file(
    path: Path,
    rows: Rows,
    shape: tuple[int, int],
    *,
    classes: Sequence[str],
    palette: NDArray[np.uint8],
    georeference: Georeference,
    format: Format,
    shown_as: Path,
) -> NDArray[np.int64]:
    """Write labels, `rows(start, stop)` at a time, straight to `path`; returns the pixels of each value, (256,).

    The file has one byte a pixel, a colour table, nodata 255, CRS and transform (or control points), the class
    names as a JSON list in the tag CLASS_NAMES, and is tiled and deflated. `cog` adds overviews; `png` keeps labels
    and colours only.

    GDAL does not report every failed write, so the file is read back and compared with what was to be written.
    `shown_as` is the name that errors mention.
    """
    if len(classes) > IGNORE:
        raise UsageError(
            f"{len(classes)} classes do not fit into one byte a pixel with {IGNORE} for unlabelled."
        )
    plain = path if format == "gtiff" else path.with_name(f"{path.name}.plain.tif")
    counts = np.zeros(256, dtype=np.int64)
    written = 0
    try:
        with quiet(), rasterio.Env(GDAL_PAM_ENABLED="NO", GDAL_CACHEMAX=64 << 20):
            with rasterio.open(plain, "w", **_profile(shape, georeference)) as dataset:
                dataset.write_colormap(1, _colour_table(palette))
                dataset.set_band_description(1, "classes")
                dataset.update_tags(**{CLASS_NAMES: json.dumps(list(classes), ensure_ascii=False)})
                for start, stop in _bands_of_rows(shape[0]):
                    block = rows(start, stop)
                    written = zlib.crc32(np.ascontiguousarray(block), written)
                    counts += np.bincount(block.ravel(), minlength=256)
                    dataset.write(block, 1, window=Window(0, start, shape[1], stop - start))
            if format != "gtiff":
                _convert(plain, path, format)
            found = _checksum(path)
    except (*GDAL_ERRORS, OSError) as error:
        raise unwritable(shown_as, error) from error
    finally:
        if plain != path:
            plain.unlink(missing_ok=True)
    if found != written:
        raise unwritable(shown_as, OSError("what was read back differs from what was written"))
    return counts


def read_labels(path: Path | str) -> Segmentation:
    """Read a label raster that `write_labels` wrote, whole. Other one-band rasters get classes named by number."""
    with open_raster(path) as dataset:
        if dataset.count != 1 or np.dtype(dataset.dtypes[0]).kind not in "iu":
            raise InputError(f"{describe(dataset)}; wanted are labels: one band of integers.")
        labels, valid = read_window(dataset, [1], Window(0, 0, dataset.width, dataset.height))
        labels = np.where(valid, labels[..., 0], IGNORE)
        known = labels[labels != IGNORE]
        names = dataset.tags().get(CLASS_NAMES)
        classes = json.loads(names) if names else [str(k) for k in range(int(known.max(initial=0)) + 1)]
        palette = None
        if ColorInterp.palette in dataset.colorinterp:
            table = dataset.colormap(1)
            palette = np.array([table[k][:3] for k in range(len(classes))], dtype=np.uint8)
    return Segmentation(labels=labels, classes=tuple(classes), palette=palette)


def unwritable(path: Path, error: Exception) -> VitrailError:
    """The error for a file that could not be written; names a full disk as what it is."""
    folder = path.parent if path.parent.is_dir() else Path()
    free = shutil.disk_usage(folder).free
    code = getattr(error, "errno", None)
    # GDAL's errors have no number, and seldom name the cause
    if code in (errno.ENOSPC, errno.EDQUOT) or (code is None and free < 1 << 20):
        return VitrailError(
            f"{path} could not be written: the disk is full ({megabytes(free)} are free in {folder.resolve()}). "
            "Make room, or write to another disk."
        )
    return VitrailError(f"{path} could not be written: {reason(error)}.")


def megabytes(count: float) -> str:
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def _profile(shape: tuple[int, int], georeference: Georeference) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "height": shape[0],
        "width": shape[1],
        "photometric": "palette",
        "nodata": IGNORE,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "compress": "deflate",
        "BIGTIFF": "IF_SAFER",
        **georeference.profile(),
    }


def _colour_table(palette: NDArray[np.uint8]) -> dict[int, tuple[int, int, int, int]]:
    table = {k: (*(int(part) for part in colour), 255) for k, colour in enumerate(palette)}
    return {**table, IGNORE: (0, 0, 0, 0)}


def _bands_of_rows(height: int) -> Iterator[tuple[int, int]]:
    for start in range(0, height, BLOCK):
        yield start, min(start + BLOCK, height)


def _convert(plain: Path, path: Path, format: Format) -> None:
    if format == "cog":
        options = {"compress": "deflate", "blocksize": BLOCK, "overview_resampling": "nearest"}
        rasterio.shutil.copy(plain, path, driver="COG", BIGTIFF="IF_SAFER", **options)
    else:
        rasterio.shutil.copy(plain, path, driver="PNG")


def _checksum(path: Path) -> int:
    total = 0
    with rasterio.open(path) as dataset:
        for start, stop in _bands_of_rows(dataset.height):
            block = dataset.read(1, window=Window(0, start, dataset.width, stop - start))
            total = zlib.crc32(block, total)
    return total
