"""Images and masks from files, and from files with something wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vitrail.errors import InputError
from vitrail_segmentation.palettes import IGNORE, get_palette
from vitrail_segmentation.reading import read_class_labels, read_colour_labels, read_image, require_same_size

ISPRS = get_palette("isprs")


def test_a_tiff_keeps_its_bands_and_type(make_raster, rng):
    image = rng.integers(0, 60_000, (7, 9, 5), dtype=np.uint16)
    np.testing.assert_array_equal(read_image(make_raster(image)), image)


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none.tif does not exist; wanted is a TIFF image"):
        read_image(tmp_path / "none.tif")


def test_colour_labels_want_colours(make_raster):
    path = make_raster(np.zeros((4, 4, 1), np.uint8), "grey.tif")
    with pytest.raises(InputError, match=r"grey.tif has 1 band\(s\) of uint8; wanted are label colours"):
        read_colour_labels(path, ISPRS)


def test_a_mask_is_turned_upright_as_its_photograph_is(tmp_path):
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.stack([labels] * 3, axis=-1)).save(tmp_path / "photo.png", exif=turned)
    Image.fromarray(labels).save(tmp_path / "mask.png", exif=turned)
    image, mask = read_image(tmp_path / "photo.png"), read_class_labels(tmp_path / "mask.png", 6)
    np.testing.assert_array_equal(mask, np.rot90(labels, -1))
    np.testing.assert_array_equal(image[..., 0], mask)


def test_unknown_colour(tmp_path):
    picture = np.full((4, 5, 3), 255, np.uint8)
    picture[2, 3] = (252, 255, 0)
    path = tmp_path / "mask.png"
    Image.fromarray(picture).save(path)
    with pytest.raises(InputError, match=r"mask.png: .*\(252, 255, 0\) at row 2, column 3.*--unknown ignore"):
        read_colour_labels(path, ISPRS)
    labels = read_colour_labels(path, ISPRS, unknown="ignore")
    assert labels[2, 3] == IGNORE
    assert (labels == 0).sum() == 19


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60))
@settings(max_examples=30, deadline=None)
def test_colours_and_back(tmp_path_factory, row):
    colours = np.array([*ISPRS.colours, (0, 0, 0)], np.uint8)[row]
    path = tmp_path_factory.mktemp("row") / "row.png"
    Image.fromarray(colours[None]).save(path)
    expected = [IGNORE if label == 6 else label for label in row]
    assert read_colour_labels(path, ISPRS)[0].tolist() == expected


def test_class_labels_out_of_range(tmp_path):
    path = tmp_path / "mask.png"
    Image.fromarray(np.full((3, 3), 8, np.uint8)).save(path)
    with pytest.raises(InputError, match=r"mask.png has the value 8; wanted are classes 1 to 7, and 0"):
        read_class_labels(path, 7, first=1, nodata=0)
    Image.fromarray(np.zeros((3, 3, 3), np.uint8)).save(path)
    with pytest.raises(InputError, match="mode RGB"):
        read_class_labels(path, 7)
    with pytest.raises(InputError, match=r"none.png does not exist"):
        read_class_labels(tmp_path / "none.png", 7)


@pytest.mark.parametrize("keep", [0, 10, 200, 15_000])
def test_truncated_files_are_named(make_raster, tmp_path, rng, keep):
    tile = make_raster(rng.integers(0, 255, (100, 70, 3), dtype=np.uint8), "tile.tif")
    whole = tile.read_bytes()
    assert len(whole) > 16_000
    tile.write_bytes(whole[:keep])
    with pytest.raises(InputError, match=r"tile.tif is damaged or no TIFF"):
        read_image(tile)
    mask = tmp_path / "mask.png"
    Image.fromarray(rng.integers(0, 6, (200, 200), dtype=np.uint8)).save(mask)
    mask.write_bytes(mask.read_bytes()[: min(keep, 3000)])
    with pytest.raises(InputError, match=r"mask.png is damaged or no picture"):
        read_class_labels(mask, 6)


def test_sizes_must_agree(tmp_path):
    with pytest.raises(InputError, match=r"m.tif is 4x5 and i.tif is 4x6"):
        require_same_size(np.zeros((4, 6, 3)), np.zeros((4, 5)), tmp_path / "i.tif", tmp_path / "m.tif")
