"""What a segmenter gets to see of files of all kinds."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from rasterio.enums import ColorInterp

from vitrail.errors import InputError, UsageError
from vitrail_segmentation.scene import ArrayScene, open_scene, preview_size, sample_positions

RED, GREEN, BLUE = ColorInterp.red, ColorInterp.green, ColorInterp.blue
ALPHA, NONE, GREY = ColorInterp.alpha, ColorInterp.undefined, ColorInterp.gray


def pixels_of(path, **options):
    with open_scene(path, **{"wanted_by": "test/model", **options}) as scene:
        return scene.read(0, 0, scene.height, scene.width)


@pytest.fixture
def image(rng):
    return rng.integers(1, 255, (30, 40, 4)).astype(np.uint8)


@pytest.mark.parametrize(
    ("count", "colours", "options", "expected"),
    [
        (3, (RED, GREEN, BLUE), {"bands_wanted": 3}, [0, 1, 2]),
        (3, (BLUE, GREEN, RED), {"bands_wanted": 3}, [2, 1, 0]),
        (4, (RED, GREEN, BLUE, ALPHA), {"bands_wanted": 3}, [0, 1, 2]),
        (4, (RED, GREEN, BLUE, NONE), {"bands_wanted": 3}, [0, 1, 2]),
        (4, (RED, GREEN, BLUE, NONE), {"bands_wanted": 4}, [0, 1, 2, 3]),
        (4, (RED, GREEN, BLUE, ALPHA), {"bands_wanted": None}, [0, 1, 2]),
        (4, (GREY, NONE, NONE, NONE), {"bands_wanted": 3, "bands": (4, 2, 1)}, [3, 1, 0]),
        (1, (GREY,), {"bands_wanted": 3, "bands": (1, 1, 1)}, [0, 0, 0]),
        (4, (GREY, NONE, NONE, NONE), {"bands_wanted": None, "bands": (2, 4)}, [1, 3]),
    ],
)
def test_choice_of_bands(make_raster, image, count, colours, options, expected):
    image[..., 3] = 255 if ALPHA in colours else image[..., 3]
    path = make_raster(image[..., :count], colours=colours, photometric="minisblack")
    found, valid = pixels_of(path, **options)
    np.testing.assert_array_equal(found, image[..., expected])
    assert valid.all()


def test_wrong_number_of_bands_says_how_many_and_how_to_choose(make_raster, image):
    path = make_raster(image, photometric="minisblack")
    with pytest.raises(
        InputError, match=r"scene.tif has 4 bands; test/model takes 3. Name 3 .* --bands 1,2,3\."
    ):
        pixels_of(path, bands_wanted=3)
    with pytest.raises(InputError, match=r"takes 6.*--bands 1,2,3,4,4,4\."):
        pixels_of(path, bands_wanted=6)
    with pytest.raises(UsageError, match="--bands names 2 bands; test/model takes 3"):
        pixels_of(path, bands_wanted=3, bands=(1, 2))
    with pytest.raises(UsageError, match=r"--bands asks for 1, 2, 9; .* has 4 bands, counted from 1"):
        pixels_of(path, bands_wanted=3, bands=(1, 2, 9))


def test_types_that_hold_every_value_are_cast(make_raster, image):
    path = make_raster(image.astype(np.uint16) * 200)
    found, _ = pixels_of(path, bands_wanted=4, dtypes=("float32",))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, image.astype(np.float32) * 200)
    found, _ = pixels_of(path, bands_wanted=4, dtypes=("uint8", "uint16"))
    assert found.dtype == np.uint16
    with pytest.raises(
        InputError, match=r"holds uint16; test/model takes int16. Convert it.* -ot Int16 scene.tif"
    ):
        pixels_of(path, bands_wanted=4, dtypes=("int16",))


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32, np.float64])
def test_other_types_are_stretched_for_models_of_bytes(make_raster, dtype):
    values = np.linspace(100, 9000, 100 * 100).reshape(100, 100, 1)
    pixels = np.concatenate([values, values[::-1] * 3], axis=2).astype(dtype)
    notes = []
    found, _ = pixels_of(make_raster(pixels), bands_wanted=2, note=notes.append)
    assert found.dtype == np.uint8
    assert found.min() == 0
    assert found.max() == 255
    assert np.abs(found[..., 0].astype(int) - found[::-1, :, 1].astype(int)).max() <= 2
    assert (np.diff(found[..., 0].ravel().astype(int)) >= 0).all()
    assert len(notes) == 1
    assert f"holds {np.dtype(dtype)} and test/model takes uint8" in notes[0]


def test_stretch_leaves_masked_pixels_out_of_its_limits(make_raster):
    pixels = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100, 1)
    pixels[:50] = -99999
    pixels[99] = np.nan
    found, valid = pixels_of(make_raster(pixels, nodata=-99999), bands_wanted=1)
    assert not valid[:50].any()
    assert not valid[99].any()
    assert found[valid].min() == 0
    assert 120 < np.median(found[valid]) < 135


def test_pictures_come_upright_and_in_rgb(tmp_path, rng):
    image = rng.integers(0, 255, (20, 30, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    Image.fromarray(image).save(tmp_path / "turned.png", exif=exif)
    found, _ = pixels_of(tmp_path / "turned.png", bands_wanted=3)
    np.testing.assert_array_equal(found, np.rot90(image, -1))

    Image.fromarray(image[..., 0]).save(tmp_path / "grey.png")
    found, valid = pixels_of(tmp_path / "grey.png", bands_wanted=3)
    np.testing.assert_array_equal(found, image[..., [0, 0, 0]])
    assert valid.all()

    Image.fromarray(image).save(tmp_path / "photo.jpg", quality=95)
    found, _ = pixels_of(tmp_path / "photo.jpg", bands_wanted=3)
    assert found.shape == (20, 30, 3)


def test_transparent_pixels_of_pictures_are_invalid(tmp_path, rng):
    image = rng.integers(0, 255, (20, 30, 4)).astype(np.uint8)
    image[..., 3] = np.where(np.arange(20)[:, None] < 5, 0, 200)
    Image.fromarray(image).save(tmp_path / "cut.png")
    found, valid = pixels_of(tmp_path / "cut.png", bands_wanted=3)
    np.testing.assert_array_equal(found, image[..., :3])
    np.testing.assert_array_equal(valid, image[..., 3] > 0)


def test_damaged_picture(tmp_path, rng):
    image = rng.integers(0, 255, (200, 300, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:50_000])
    with pytest.raises(InputError, match=r"half.png is damaged"):
        pixels_of(tmp_path / "half.png", bands_wanted=3)


def test_preview_and_labels_are_sampled_at_the_same_pixels(make_raster, rng):
    pixels = rng.integers(0, 255, (101, 333, 3)).astype(np.uint8)
    rows, columns = (sample_positions(n, m) for n, m in zip(pixels.shape, preview_size(101, 333, 50)))
    assert (len(rows), len(columns)) == (15, 50)
    with open_scene(make_raster(pixels), bands_wanted=3) as scene:
        found, _ = scene.preview(50)
    np.testing.assert_array_equal(found, pixels[np.ix_(rows, columns)])
    found, _ = ArrayScene(pixels).preview(50)
    np.testing.assert_array_equal(found, pixels[np.ix_(rows, columns)])
    assert preview_size(10, 20, 50) == (10, 20)
    assert preview_size(1, 90_000, 50) == (1, 50)


def test_array_scene_checks_its_arrays():
    with pytest.raises(InputError, match=r"\(4, 5\); wanted is \(H, W, bands\)"):
        ArrayScene(np.zeros((4, 5)))
    with pytest.raises(InputError, match="sizes must agree"):
        ArrayScene(np.zeros((4, 5, 1)), np.ones((4, 4), bool))
    values = np.ones((2, 2, 1))
    values[0, 0] = np.nan
    assert ArrayScene(values, np.array([[True, False], [True, True]])).valid.tolist() == [
        [False, False],
        [True, True],
    ]
