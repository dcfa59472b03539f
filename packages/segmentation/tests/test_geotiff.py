from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from vitrail.errors import InputError, UsageError, VitrailError
from vitrail_segmentation import geotiff
from vitrail_segmentation.geotiff import read_labels, write_labels
from vitrail_segmentation.raster import Georeference, quiet

CLASSES = ("road", "house, roof", "Wald & Wiese", "Straße")
PALETTE = np.array([(1, 2, 3), (40, 50, 60), (0, 128, 0), (255, 255, 255)], np.uint8)
PLACE = Georeference(crs=rasterio.CRS.from_epsg(32633), transform=Affine(2.0, 0, 5e5, 0, -2.0, 54e5))


@pytest.fixture
def labels(rng):
    values = rng.integers(0, 4, (700, 530)).astype(np.uint8)
    values[:20, :30] = 255
    return values


def write(path, labels, **options):
    return write_labels(path, labels, classes=CLASSES, palette=PALETTE, **{"georeference": PLACE, **options})


@pytest.mark.parametrize("format", ["gtiff", "cog"])
def test_everything_is_in_the_file(tmp_path, labels, format):
    path = write(tmp_path / "labels.tif", labels, format=format)
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), labels)
        assert dataset.crs == PLACE.crs
        assert dataset.transform == PLACE.transform
        assert dataset.nodata == 255
        assert dataset.dtypes == ("uint8",)
        assert dataset.colorinterp == (ColorInterp.palette,)
        table = dataset.colormap(1)
        assert [table[k] for k in (0, 1, 3, 255)] == [
            (1, 2, 3, 255),
            (40, 50, 60, 255),
            (255,) * 4,
            (0, 0, 0, 0),
        ]
        assert json.loads(dataset.tags()["CLASS_NAMES"]) == list(CLASSES)
        assert dataset.descriptions == ("classes",)
        assert dataset.profile["compress"].lower() == "deflate"
        assert dataset.block_shapes == [(512, 512)]
        assert dataset.overviews(1) == ([] if format == "gtiff" else [2])
        layout = dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT")
        assert (layout == "COG") == (format == "cog")
    assert sorted(os.listdir(tmp_path)) == ["labels.tif"]


@pytest.mark.parametrize("format", ["gtiff", "cog"])
def test_read_labels_undoes_write_labels(tmp_path, labels, format):
    found = read_labels(write(tmp_path / "labels.tif", labels, format=format))
    np.testing.assert_array_equal(found.labels, labels)
    assert found.classes == CLASSES
    np.testing.assert_array_equal(found.palette, PALETTE)


def test_png(tmp_path, labels):
    path = write(tmp_path / "labels.png", labels, format="png")
    from PIL import Image

    with Image.open(path) as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.array(picture), labels)
        assert picture.getpalette()[3:6] == [40, 50, 60]
    assert sorted(os.listdir(tmp_path)) == ["labels.png"]


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (513, 1), (3, 5)])
@pytest.mark.parametrize("format", ["gtiff", "cog", "png"])
def test_odd_sizes(tmp_path, rng, read_back, shape, format):
    labels = rng.integers(0, 4, shape).astype(np.uint8)
    path = write(tmp_path / ("x.png" if format == "png" else "x.tif"), labels, format=format)
    np.testing.assert_array_equal(read_back(path), labels)


def test_places_of_all_kinds_survive(tmp_path, labels):
    for transform in (Affine(1.5, 0.4, 7, 0.3, -1.2, 9), Affine(2, 0, 5e5, 0, 2, 54e5)):
        path = write(
            tmp_path / "a.tif", labels, georeference=Georeference(crs=PLACE.crs, transform=transform)
        )
        with rasterio.open(path) as dataset:
            assert dataset.transform.almost_equals(transform)
    path = write(tmp_path / "b.tif", labels, georeference=Georeference())
    with quiet(), rasterio.open(path) as dataset:
        assert dataset.crs is None
        assert Georeference.of(dataset) == Georeference()
    points = tuple(
        rasterio.control.GroundControlPoint(*values)
        for values in [(0, 0, 8, 50), (0, 500, 9, 50), (600, 0, 8, 49)]
    )
    path = write(
        tmp_path / "c.tif", labels, georeference=Georeference(crs=rasterio.CRS.from_epsg(4326), gcps=points)
    )
    with quiet(), rasterio.open(path) as dataset:
        found, crs = dataset.gcps
        assert [(p.row, p.col, p.x, p.y) for p in found] == [(p.row, p.col, p.x, p.y) for p in points]
        assert crs.to_epsg() == 4326


def test_too_many_classes(tmp_path):
    with pytest.raises(UsageError, match="256 classes do not fit"):
        write_labels(
            tmp_path / "x.tif", np.zeros((2, 2), np.uint8), classes=["x"] * 256, palette=np.zeros((256, 3))
        )
    assert not os.listdir(tmp_path)


def test_read_labels_refuses_pictures(make_raster):
    with pytest.raises(InputError, match=r"3 bands.*one band of integers"):
        read_labels(make_raster(np.zeros((4, 4, 3), np.uint8)))
    found = read_labels(make_raster(np.array([[[0], [2]]], np.int16), nodata=-1))
    assert found.classes == ("0", "1", "2")


def test_what_is_read_back_is_compared(tmp_path, labels, monkeypatch):
    monkeypatch.setattr(geotiff, "_checksum", lambda path: 1)
    with pytest.raises(VitrailError, match="differs from what was written"):
        write(tmp_path / "x.tif", labels)
    assert not os.listdir(tmp_path)


def test_full_disk_is_called_so_where_gdal_gives_no_reason(tmp_path, labels, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(geotiff.shutil, "disk_usage", lambda folder: usage(1, 1, 12_000))

    def fail(*args, **options):
        raise rasterio.errors.RasterioIOError("Write failed")

    monkeypatch.setattr(geotiff, "_checksum", fail)
    with pytest.raises(VitrailError, match=r"x.tif could not be written: the disk is full \(12 kB are free"):
        write(tmp_path / "x.tif", labels)
    assert not os.listdir(tmp_path)


LIMITED = """
import resource, signal, sys
import numpy as np
from vitrail.errors import VitrailError
from vitrail_segmentation.geotiff import write_labels
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
labels = np.random.default_rng(0).integers(0, 250, (2048, 2048)).astype(np.uint8)
try:
    write_labels(sys.argv[1], labels, classes=[str(k) for k in range(250)], palette=np.zeros((250, 3), np.uint8),
                 format=sys.argv[2])
except VitrailError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files with setrlimit")
@pytest.mark.parametrize("format", ["gtiff", "cog", "png"])
def test_writes_that_fail_inside_gdal_are_noticed(tmp_path, format):
    path = tmp_path / ("x.png" if format == "png" else "x.tif")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path, format], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{path} could not be written: ")
    assert len(done.stdout.splitlines()) == 1
    assert not os.listdir(tmp_path)
