from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from vitrail.errors import NotInstalledError, UsageError
from vitrail_segmentation.raster import Georeference
from vitrail_segmentation.segment import segment_scene
from vitrail_segmentation.vector import write_polygons

CLASSES = ("grass", "See", "Straße")
UTM = rasterio.CRS.from_epsg(32633)
NORTH_UP = Affine(2.0, 0, 5e5, 0, -2.0, 54e5)
ROTATED = Affine(1.5, 0.4, 7, 0.3, -1.2, 9)


@pytest.fixture
def labels(rng):
    blocks = rng.integers(0, 4, (12, 15)).astype(np.uint8).repeat(4, axis=0).repeat(3, axis=1)
    blocks[blocks == 3] = 255
    return blocks


def area(rings):
    """Area of a polygon, holes taken out, by the shoelace formula."""
    areas = []
    for ring in rings:
        x, y = np.array(ring).T
        x, y = x - x[0], y - y[0]
        areas.append(abs(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2)
    return areas[0] - sum(areas[1:])


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED, Affine(2, 0, 5e5, 0, 2, 54e5)])
def test_geojson_area_is_pixels_times_pixel_area(tmp_path, labels, transform):
    path = tmp_path / "p.geojson"
    count = write_polygons(
        path, labels, classes=CLASSES, georeference=Georeference(crs=UTM, transform=transform)
    )
    found = json.loads(path.read_text(encoding="utf-8"))
    assert len(found["features"]) == count
    assert found["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32633"
    areas = dict.fromkeys(range(3), 0.0)
    for feature in found["features"]:
        k = feature["properties"]["class_id"]
        assert feature["properties"]["class"] == CLASSES[k]
        assert feature["geometry"]["type"] == "Polygon"
        areas[k] += area(feature["geometry"]["coordinates"])
    for k in range(3):
        assert areas[k] == pytest.approx((labels == k).sum() * abs(transform.determinant))


@pytest.mark.parametrize("ending", [".gpkg", ".geojson"])
def test_as_gdal_reads_it(tmp_path, labels, ending, monkeypatch):
    pyogrio, shapely = pytest.importorskip("pyogrio"), pytest.importorskip("shapely")
    monkeypatch.setattr("vitrail_segmentation.vector.POLYGONS_AT_ONCE", 7)
    path = tmp_path / f"polygons{ending}"
    place = Georeference(crs=UTM, transform=NORTH_UP)
    count = write_polygons(path, labels, classes=CLASSES, georeference=place)
    meta, _, geometry, values = pyogrio.raw.read(path)
    assert meta["crs"] == "EPSG:32633"
    assert list(meta["fields"]) == ["class_id", "class"]
    assert pyogrio.list_layers(path)[0][0] == "polygons"
    assert len(geometry) == count > 7
    areas = shapely.area(shapely.from_wkb(geometry))
    assert shapely.is_valid(shapely.from_wkb(geometry)).all()
    for k, name in enumerate(CLASSES):
        assert areas[values[0] == k].sum() == pytest.approx(4 * (labels == k).sum())
        assert set(values[1][values[0] == k]) == {name}
    assert sorted(path.parent.iterdir()) == [path]


def test_polygons_lie_where_their_pixels_are(tmp_path):
    labels = np.full((5, 7), 255, np.uint8)
    labels[3, 2] = 1
    write_polygons(
        tmp_path / "p.json", labels, classes=CLASSES, georeference=Georeference(crs=UTM, transform=NORTH_UP)
    )
    (feature,) = json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))["features"]
    corners = {tuple(point) for point in feature["geometry"]["coordinates"][0]}
    assert corners == {(5e5 + 2 * x, 54e5 - 2 * y) for x in (2, 3) for y in (3, 4)}


def test_control_points_give_the_fitted_place(tmp_path):
    points = tuple(
        rasterio.control.GroundControlPoint(row, column, 5e5 + 2 * column, 54e5 - 2 * row)
        for row, column in ((0, 0), (0, 9), (9, 0), (9, 9))
    )
    labels = np.zeros((9, 9), np.uint8)
    write_polygons(
        tmp_path / "p.json", labels, classes=CLASSES, georeference=Georeference(crs=UTM, gcps=points)
    )
    (feature,) = json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))["features"]
    assert area(feature["geometry"]["coordinates"]) == pytest.approx(4 * 81)


@pytest.mark.parametrize("ending", [".gpkg", ".geojson"])
def test_nothing_labelled_gives_an_empty_layer(tmp_path, ending):
    if ending == ".gpkg":
        pytest.importorskip("pyogrio")
    path = tmp_path / f"p{ending}"
    assert write_polygons(path, np.full((4, 4), 255, np.uint8), classes=CLASSES) == 0
    assert path.stat().st_size > 0
    if ending == ".geojson":
        assert json.loads(path.read_text()) == {"type": "FeatureCollection", "features": []}


def test_geopackage_without_its_packages_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    with pytest.raises(
        NotInstalledError, match=r'pip install "vitrail-segmentation\[vector\]" \(or write a .geojson\)'
    ):
        write_polygons(tmp_path / "p.gpkg", np.zeros((2, 2), np.uint8), classes=CLASSES)
    with pytest.raises(UsageError, match=r"ends in '.shp'"):
        write_polygons(tmp_path / "p.shp", np.zeros((2, 2), np.uint8), classes=CLASSES)


def test_whole_run(make_raster, tmp_path, greenness, rng):
    pixels = rng.integers(0, 255, (9, 12, 3)).astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    result = segment_scene(
        greenness, make_raster(pixels), tmp_path / "out.tif", tile=32, vector=tmp_path / "p.geojson"
    )
    features = json.loads((tmp_path / "p.geojson").read_text())["features"]
    assert len(features) == result.polygons
    for k, pixels_of_class in enumerate(result.pixels):
        areas = [area(f["geometry"]["coordinates"]) for f in features if f["properties"]["class_id"] == k]
        assert sum(areas) == pytest.approx(pixels_of_class * result.pixel_area)
