"""Which pixels are valid, how rasters describe themselves, and what is said of files that cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from vitrail.errors import InputError
from vitrail_segmentation.raster import Georeference, describe, open_raster, read_window

RGBA = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)


def read(path, bands=(1,), window=None, **options):
    with open_raster(path) as dataset:
        return read_window(dataset, bands, window or Window(0, 0, dataset.width, dataset.height), **options)


def test_windows_come_in_the_order_of_the_bands(make_raster, rng):
    pixels = rng.integers(0, 60000, (40, 50, 4)).astype(np.uint16)
    found, valid = read(make_raster(pixels), (3, 1, 3), Window(7, 11, 20, 10))
    np.testing.assert_array_equal(found, pixels[11:21, 7:27][..., [2, 0, 2]])
    assert found.dtype == np.uint16
    assert valid.all()


def test_alpha_masks(make_raster, rng):
    pixels = rng.integers(1, 255, (20, 30, 4)).astype(np.uint8)
    pixels[..., 3] = np.where(np.arange(30) < 10, 0, 128)
    _, valid = read(make_raster(pixels, colours=RGBA), (1, 2, 3))
    np.testing.assert_array_equal(valid, np.broadcast_to(np.arange(30) >= 10, (20, 30)))


def test_internal_mask(make_raster, rng):
    keep = rng.random((20, 30)) > 0.5
    path = make_raster(np.zeros((20, 30, 3), np.uint8), mask=keep.astype(np.uint8) * 255)
    _, valid = read(path, (1, 2))
    np.testing.assert_array_equal(valid, keep)


def test_nodata_in_one_band_of_bytes_is_a_dark_pixel(make_raster):
    pixels = np.full((2, 3, 3), 9, np.uint8)
    pixels[0, 0] = 0
    pixels[0, 1, 2] = 0
    _, valid = read(make_raster(pixels, nodata=0), (1, 2, 3))
    assert valid.tolist() == [[False, True, True], [True, True, True]]
    _, valid = read(make_raster(pixels, nodata=0), (3,))
    assert valid.tolist() == [[False, False, True], [True, True, True]]


@pytest.mark.parametrize(
    ("dtype", "nodata"), [(np.int16, -32768), (np.float32, -99999.0), (np.float32, np.nan)]
)
def test_nodata_in_one_band_of_signed_numbers_masks_the_pixel(make_raster, dtype, nodata):
    pixels = np.full((2, 3, 2), 9, dtype)
    pixels[0, 0] = nodata
    pixels[1, 2, 1] = nodata
    _, valid = read(make_raster(pixels, nodata=nodata), (1, 2))
    assert valid.tolist() == [[False, True, True], [True, True, False]]


def test_nan_and_infinity_are_invalid_without_nodata(make_raster):
    pixels = np.ones((2, 2, 2), np.float32)
    pixels[0, 0, 1], pixels[1, 1, 0] = np.nan, np.inf
    _, valid = read(make_raster(pixels), (1, 2))
    assert valid.tolist() == [[False, True], [True, False]]


def test_sampled_down(make_raster, rng):
    pixels = rng.integers(0, 255, (60, 90, 1)).astype(np.uint8)
    found, valid = read(make_raster(pixels), shape=(20, 30))
    np.testing.assert_array_equal(found, pixels[1::3, 1::3])
    assert valid.shape == (20, 30)


def test_describe(make_raster):
    path = make_raster(np.zeros((4, 5, 4), np.uint8), colours=RGBA, nodata=3)
    with open_raster(path) as dataset:
        info = describe(dataset)
    assert info.bands == ("red", "green", "blue", "alpha")
    assert (
        str(info) == f"{path}: 5 x 4 pixels, 4 bands (1: red, 2: green, 3: blue, 4: alpha), uint8, EPSG:32633"
    )
    assert info.nodata == 3
    assert info.georeference.pixel_area() == 4


def test_georeference_of_plain_files_is_empty(make_raster, recwarn):
    with open_raster(make_raster(np.zeros((4, 5, 1), np.uint8), crs=None, transform=None)) as dataset:
        found = Georeference.of(dataset)
    assert found == Georeference()
    assert found.affine() == rasterio.Affine.identity()
    assert found.pixel_area() is None
    assert not [warning for warning in recwarn if "georef" in str(warning.message).lower()]


def test_area_needs_a_projected_crs(make_raster):
    path = make_raster(
        np.zeros((4, 5, 1), np.uint8), crs="EPSG:4326", transform=rasterio.Affine(1e-4, 0, 8, 0, -1e-4, 50)
    )
    with open_raster(path) as dataset:
        assert Georeference.of(dataset).pixel_area() is None
    path = make_raster(np.zeros((4, 5, 1), np.uint8), "feet.tif", crs="EPSG:2263")
    with open_raster(path) as dataset:
        assert Georeference.of(dataset).pixel_area() == pytest.approx(4 * 0.3048006096**2)


def test_files_that_cannot_be_opened(tmp_path, make_raster):
    text = tmp_path / "text.tif"
    text.write_text("hello")
    whole = make_raster(np.zeros((64, 64, 1), np.uint8))
    short = tmp_path / "short.tif"
    short.write_bytes(whole.read_bytes()[:60])
    for path, said in (
        (text, "text.tif cannot be read .*not recognized.*Wanted is a whole GeoTIFF"),
        (short, "short.tif cannot be read"),
        (tmp_path / "none.tif", "none.tif does not exist"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(InputError, match=said), open_raster(path):
            pass


def test_truncated_in_the_middle_is_noticed_where_it_is_read(tmp_path, make_raster, rng):
    path = make_raster(
        rng.integers(0, 255, (256, 256, 1)).astype(np.uint8), tiled=True, blockxsize=64, blockysize=64
    )
    short = tmp_path / "short.tif"
    short.write_bytes(path.read_bytes()[:30000])
    read(short, window=Window(0, 0, 64, 64))
    with pytest.raises(
        InputError, match=r"short.tif is damaged: rows 192 to 255 cannot be read \(.*\). Get the file again."
    ):
        read(short, window=Window(0, 192, 256, 64))


def test_complex_numbers(make_raster):
    path = make_raster(np.zeros((4, 4, 1), np.complex64))
    with pytest.raises(InputError, match="complex"), open_raster(path):
        pass
