"""One large picture: whole in memory, or in tiles from its file."""

import json

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from vitrail.errors import InputError, UsageError
from vitrail_prcl.data.scenes import cut_scene, ground, open_scene
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.palettes import IGNORE, get_palette
from vitrail_segmentation.raster import quiet
from vitrail_segmentation.scene_set import SceneSet

NODATA = -9999
UTM = {"crs": "EPSG:32633", "transform": Affine(2.0, 0, 500_000, 0, -2.0, 5_400_000)}


@pytest.fixture
def scene(make, rng):
    """Paths of an image of 40 x 56 and 4 bands, and of labels; and both as arrays. Rows 0 to 4 have no data, only
    columns 20 to 39 are labelled."""
    pixels = rng.integers(1, 3000, (40, 56, 4), dtype=np.int16)
    pixels[:5] = NODATA
    labels = np.full((40, 56), 99, np.uint8)
    labels[:, 20:40] = rng.integers(0, 3, (40, 20))
    labels[10:12, 20:40] = IGNORE
    image = make.raster("scene.tif", pixels, nodata=NODATA, **UTM)
    return image, make.raster("labels.tif", labels[..., None], nodata=99, **UTM), pixels, labels


def test_a_whole_scene(scene):
    image, labels, pixels, known = scene
    found = open_scene(image, labels)
    assert found.image.dtype == np.float32
    np.testing.assert_array_equal(found.image[5:], pixels[5:])
    assert (found.image[:5] == 0).all()
    assert not found.valid[:5].any()
    assert found.valid[5:].all()
    expected = np.where(known == 99, IGNORE, known)
    expected[:5] = IGNORE
    np.testing.assert_array_equal(found.labels, expected)
    assert found.palette.classes == ("class 0", "class 1", "class 2")
    assert found.bands == ("band 1", "band 2", "band 3", "band 4")
    assert open_scene(image, labels, palette=get_palette("landsat")).palette.name == "landsat"


def test_crops_of_labelled_and_of_all_ground(scene):
    found = open_scene(*scene[:2])
    mean, std = found.statistics()
    augment = AugmentConfig(crop=32, scales=(1.0,), mosaic=0, tries=1, turns="none")
    labelled = SceneSet(found, mean=mean, std=std, augment=augment)
    everything = SceneSet(ground(found), mean=mean, std=std, augment=augment)
    for index in range(10):
        one, other = (each.sample(index, np.random.default_rng(index)) for each in (labelled, everything))
        np.testing.assert_array_equal(one["image"], other["image"])
        assert set(np.unique(other["labels"])) <= {0, IGNORE}
        assert (other["labels"][one["labels"] != IGNORE] == 0).all()
        assert (other["image"][:, other["labels"] == IGNORE] == 0).all()


def test_class_names_in_the_label_raster(scene, make):
    image, _, _, known = scene
    path = make.raster("named.tif", known[..., None], nodata=99)
    with quiet(), rasterio.open(path, "r+") as dataset:
        dataset.update_tags(CLASS_NAMES=json.dumps(["a", "b", "c", "d"]))
    assert open_scene(image, path).palette.classes == ("a", "b", "c", "d")
    assert cut_scene(image, path).classes == ("a", "b", "c", "d")


def test_tiles_cover_the_scene(scene):
    image, labels, pixels, known = scene
    tiles = cut_scene(image, labels, size=16)
    assert tiles.windows[0] == (0, 0, 16, 16)
    assert tiles.windows[-1] == (24, 40, 16, 16)
    assert len(tiles) == 3 * 4
    assert [item.name for item in tiles.items[:2]] == ["row 0 column 0", "row 0 column 16"]
    seen = np.zeros(known.shape, bool)
    for index, (top, left, height, width) in enumerate(tiles.windows):
        box = slice(top, top + height), slice(left, left + width)
        seen[box] = True
        read, labelled = tiles.read(index)
        data = pixels[box] != NODATA
        np.testing.assert_array_equal(read[data], pixels[box][data])
        if labelled is not None:
            expected = np.where((known[box] == 99) | ~data.all(axis=2), IGNORE, known[box])
            np.testing.assert_array_equal(labelled, expected)
    assert seen.all()


def test_tiles_with_labels_and_all_tiles(scene):
    tiles = cut_scene(*scene[:2], size=16)
    labelled, everything = tiles.labelled(), tiles.unlabelled()
    assert {left for _, left, _, _ in labelled.windows} == {16, 32}
    assert all(item.mask is not None for item in labelled.items)
    assert len(everything) == len(tiles)
    assert everything.classes == ()
    assert all(everything.read(k)[1] is None for k in range(len(everything)))
    found = tiles.statistics()
    np.testing.assert_allclose(found.mean, np.float64(scene[2][5:]).mean(axis=(0, 1)), rtol=0.02)


def test_a_scene_smaller_than_a_tile_is_one(scene):
    tiles = cut_scene(*scene[:2])
    assert tiles.windows == ((0, 0, 40, 56),)
    assert tiles.read(0)[0].shape == (40, 56, 4)


@pytest.mark.parametrize("read", [open_scene, cut_scene])
def test_labels_that_do_not_fit(scene, make, read):
    image, _, _, known = scene
    small = make.raster("small.tif", known[:30, :, None])
    with pytest.raises(
        InputError, match=r"small.tif is 30x56 and .*scene.tif 40x56 pixels; wanted are labels on"
    ):
        read(image, small)
    away = make.raster("away.tif", known[..., None], **UTM | {"transform": Affine(2, 0, 9, 0, -2, 9)})
    with pytest.raises(InputError, match=r"away.tif and .*scene.tif lie on different ground.*Resample them"):
        read(image, away)
    bands = make.raster("bands.tif", np.repeat(known[..., None], 3, axis=2), **UTM)
    with pytest.raises(InputError, match=r"bands.tif.*wanted are labels: one band of integers"):
        read(image, bands)
    wide = make.raster("wide.tif", known[..., None].astype(np.uint16) * 100, **UTM)
    with pytest.raises(InputError, match=r"wide.tif has the value 9900; wanted are classes 0 to 254"):
        read(image, wide)
    one = make.raster("one.tif", np.zeros((40, 56, 1), np.uint8), **UTM)
    with pytest.raises(
        UsageError, match=r"one.tif holds class 0 and no other label; wanted are labels of at least"
    ):
        read(image, one)
    none = make.raster("none.tif", np.full((40, 56, 1), IGNORE, np.uint8), **UTM)
    with pytest.raises(
        UsageError, match=r"none.tif holds no label; wanted are labels of at least two classes"
    ):
        read(image, none)


def test_tiles_of_no_size(scene):
    with pytest.raises(UsageError, match="size is 0; wanted are tiles of at least 1 pixel"):
        cut_scene(*scene[:2], size=0)


def test_a_tile_without_data_is_left_to_whoever_reads(scene):
    tiles = cut_scene(*scene[:2], size=5)
    with pytest.raises(InputError, match=r"scene.tif \(row 0 column 0\) has no pixel with data"):
        tiles.read(0)
