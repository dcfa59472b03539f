"""Reading images by number, and what their values are like."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vitrail.errors import InputError, UsageError
from vitrail_prcl.data.folders import labelled_folder, unlabelled_folder
from vitrail_prcl.data.pictures import LabelledImage, Pictures
from vitrail_segmentation.palettes import IGNORE

NODATA = -9999


def test_statistics_are_those_of_all_pixels(make):
    images = [make.picture(f"{k}.png", size=(5 + k, 9)) for k in range(6)]
    found = unlabelled_folder(make.root).statistics()
    pixels = np.concatenate([image.reshape(-1, 3) for image in images]).astype(float)
    np.testing.assert_allclose(found.mean, pixels.mean(axis=0))
    np.testing.assert_allclose(found.std, pixels.std(axis=0))
    assert found.dtype == "uint8"


def test_statistics_of_a_sample_depend_on_the_seed_alone(make):
    for k in range(20):
        make.picture(f"{k}.png")
    pictures = unlabelled_folder(make.root)
    assert pictures.statistics(images=3, seed=4) == pictures.statistics(images=3, seed=4)
    assert pictures.statistics(images=3, seed=4) != pictures.statistics(images=3, seed=5)


def test_statistics_leave_out_pixels_without_data_and_files_that_cannot_be_read(make, rng):
    pixels = rng.normal(1000, 50, (10, 10, 4)).astype(np.float32)
    holed = pixels.copy()
    holed[:4] = NODATA
    make.raster("a.tif", holed, nodata=NODATA)
    make.raster("b.tif", pixels)
    make.cut("b.tif")
    found = unlabelled_folder(make.root).statistics()
    np.testing.assert_allclose(found.mean, pixels[4:].reshape(-1, 4).mean(axis=0), rtol=1e-6)
    assert (len(found.std), found.dtype) == (4, "float32")
    make.cut("a.tif")
    with pytest.raises(
        InputError, match=r"none of the 2 images can be read. The first of them: .*\.tif cannot"
    ):
        unlabelled_folder(make.root).statistics()


def test_a_constant_band_has_std_1(make):
    make.raster("a.tif", np.full((4, 4, 2), 3, np.uint16))
    assert unlabelled_folder(make.root).statistics() == ((3.0, 3.0), (1.0, 1.0), "uint16")


def test_images_that_are_not_alike_have_no_common_statistics(make):
    make.raster("a.tif", np.ones((4, 4, 5), np.uint16))
    make.picture("b.png")
    with pytest.raises(InputError, match=r"(5 bands of uint16|3 bands of uint8).*all images must be alike"):
        unlabelled_folder(make.root).statistics()


def test_pixels_without_data_have_the_mean_and_no_label(make, rng):
    pixels = rng.integers(1, 200, (6, 8, 4), dtype=np.int16)
    pixels[2:4] = NODATA
    make.raster("images/a.tif", pixels, nodata=NODATA)
    labels = make.mask("masks/a.png", size=(6, 8))
    image, known = labelled_folder(make.root).read(0)
    np.testing.assert_array_equal(image[:2], pixels[:2])
    rest = np.delete(pixels, [2, 3], axis=0).reshape(-1, 4)
    np.testing.assert_array_equal(image[3, 3], np.rint(rest.mean(axis=0)))
    assert (known[2:4] == IGNORE).all()
    np.testing.assert_array_equal(known[4:], labels[4:])


def test_an_image_without_any_data_is_refused(make):
    make.raster("a.tif", np.full((4, 4, 1), NODATA, np.int16), nodata=NODATA)
    with pytest.raises(InputError, match=r"a.tif \(a\) has no pixel with data. Leave it out"):
        unlabelled_folder(make.root).read(0)


def test_alpha_is_no_band(make):
    make.raster("a.tif", np.full((4, 4, 4), 200, np.uint8), photometric="RGB", alpha="yes")
    assert unlabelled_folder(make.root).read(0)[0].shape == (4, 4, 3)


def test_what_every_image_must_be(make):
    make.raster("a.tif", np.ones((4, 4, 1), np.uint16))
    pictures = unlabelled_folder(make.root)
    with pytest.raises(InputError, match=r"a.tif has 1 band; wanted are 3"):
        replace(pictures, bands=3).read(0)
    with pytest.raises(InputError, match=r"a.tif holds uint16; wanted is uint8"):
        replace(pictures, dtype="uint8").read(0)
    assert replace(pictures, bands=1, dtype="uint16").read(0)[0].shape == (4, 4, 1)


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def test_a_photograph_is_upright_and_its_mask_agrees(make):
    image = make.picture("images/a.png", exif=exif(6))
    upright = np.rot90(image, -1)
    labels = make.mask("masks/a.png", size=upright.shape[:2])
    found, known = labelled_folder(make.root).read(0)
    np.testing.assert_array_equal(found, upright)
    np.testing.assert_array_equal(known, labels)


def test_a_mask_of_the_photograph_on_its_side_is_named(make):
    make.picture("images/a.jpg", exif=exif(8))
    make.mask("masks/a.png")
    with pytest.raises(
        InputError, match=r"a.png is 12x16 and a.jpg 16x12 pixels once it is upright.*Turn the mask"
    ):
        labelled_folder(make.root).read(0)


def test_no_images(tmp_path):
    with pytest.raises(UsageError, match="there are no images; wanted is at least one"):
        Pictures(items=())
    with pytest.raises(InputError, match=r"gone.png does not exist; wanted is a picture"):
        Pictures(items=(LabelledImage("gone", tmp_path / "gone.png"),)).read(0)
