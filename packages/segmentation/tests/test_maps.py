"""Maps of numbers as rasters and as colours."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from vitrail.errors import InputError
from vitrail_segmentation.maps import RAMP, heat, write_maps
from vitrail_segmentation.raster import Georeference


def test_maps_come_back_with_names_and_place(tmp_path):
    rng = np.random.default_rng(0)
    maps = {name: rng.random((30, 40), dtype=np.float32) for name in ("confidence", "uncertainty")}
    maps["confidence"][0, 0] = np.nan
    place = Georeference(crs=rasterio.CRS.from_epsg(32617), transform=from_origin(5e5, 4e6, 30, 30))
    path = write_maps(tmp_path / "deep" / "m.tif", maps, georeference=place)
    with rasterio.open(path) as file:
        assert file.descriptions == ("confidence", "uncertainty")
        assert (file.crs, file.transform) == (place.crs, place.transform)
        assert np.isnan(file.nodata)
        for band, values in enumerate(maps.values(), start=1):
            np.testing.assert_array_equal(file.read(band), values)
    assert [p.name for p in path.parent.iterdir()] == ["m.tif"]


def test_other_sizes_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(InputError, match="wanted is one"):
        write_maps(tmp_path / "m.tif", {"a": np.zeros((2, 2), np.float32), "b": np.zeros((2, 3), np.float32)})
    assert not list(tmp_path.iterdir())


def test_heat_goes_from_dark_to_light():
    values = np.linspace(-1, 2, 50)[None]
    found = heat(values)
    assert tuple(found[0, 0]) == RAMP[0]
    assert tuple(found[0, -1]) == RAMP[-1]
    assert (np.diff(found.astype(int).sum(axis=2)[0]) >= -3).all()
    assert tuple(heat(np.array([[0.3]]), low=0.1, high=0.3)[0, 0]) == RAMP[-1]
    assert tuple(heat(np.array([[0.3]]), low=0.3, high=0.3)[0, 0]) == RAMP[0]
