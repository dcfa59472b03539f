from __future__ import annotations

import numpy as np
import pytest

from vitrail.errors import InputError
from vitrail.results import Segmentation
from vitrail_segmentation.palettes import get_palette
from vitrail_segmentation.render import compare_labels, legend, overlay_with_legend, rgb_preview, side_by_side

PALETTE = np.array([(200, 30, 30), (30, 200, 30), (30, 30, 200)], np.uint8)


@pytest.fixture
def segmentation():
    labels = np.zeros((400, 500), np.uint8)
    labels[:100] = 1
    labels[:, :50] = 255
    return Segmentation(labels=labels, classes=("road", "a rather long name", "never seen"), palette=PALETTE)


def test_photographs_stay_as_they_are(rng):
    image = rng.integers(0, 255, (20, 30, 3)).astype(np.uint8)
    np.testing.assert_array_equal(rgb_preview(image), image)


@pytest.mark.parametrize("bands", [1, 2, 3, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_preview_of_anything_uses_the_whole_range(rng, bands, dtype):
    pixels = rng.integers(5, 250, (50, 60, bands)).astype(dtype)
    valid = np.ones((50, 60), bool)
    valid[:10] = False
    pixels[:10] = 0
    found = rgb_preview(pixels, valid)
    assert found.shape == (50, 60, 3)
    assert found.dtype == np.uint8
    assert (found[:10] == 255).all()
    if (bands, dtype) != (3, np.uint8):
        assert found[10:].min() == 0
        assert found[10:].max() == 255
    if bands < 3:
        assert (found == found[..., :1]).all()


def test_preview_takes_the_bands_asked_for(rng):
    pixels = rng.random((30, 30, 4)).astype(np.float32)
    np.testing.assert_array_equal(
        rgb_preview(pixels, order=(3, 1, 0))[..., 0], rgb_preview(pixels[..., 3:])[..., 0]
    )


def test_constant_and_invalid_pictures_do_not_fail(recwarn):
    assert rgb_preview(np.full((4, 4, 1), 7.0, np.float32)).shape == (4, 4, 3)
    assert (rgb_preview(np.full((4, 4, 1), np.nan, np.float32), np.zeros((4, 4), bool)) == 255).all()
    assert not recwarn.list


def test_overlay_keeps_the_picture_and_adds_a_legend(segmentation):
    image = np.full((400, 500, 3), 100, np.uint8)
    found = overlay_with_legend(image, segmentation)
    assert found.shape[0] == 400
    assert found.shape[1] > 500
    np.testing.assert_array_equal(found[:, :500], segmentation.overlay(image))
    column = found[:, 500:].reshape(-1, 3).tolist()
    assert [200, 30, 30] in column
    assert [30, 200, 30] in column
    assert [30, 30, 200] not in column


def test_legend_is_sorted_by_share(segmentation):
    column = legend(segmentation, 400)
    first = np.argwhere((column == PALETTE[0]).all(axis=2))[:, 0].max()
    second = np.argwhere((column == PALETTE[1]).all(axis=2))[:, 0].min()
    assert first < second


def test_side_by_side(segmentation, rng):
    image = rng.integers(0, 255, (400, 500, 3)).astype(np.uint8)
    found = side_by_side({"image": image, "labels": segmentation.picture()}, segmentation)
    assert found.shape[0] > 400
    assert found.shape[1] > 1000
    np.testing.assert_array_equal(found[-400:, :500][: found.shape[0]], image)
    with pytest.raises(InputError, match="must have one size"):
        side_by_side({"a": image, "b": image[:9]})


def test_small_pictures_are_enlarged_by_whole_pixels(rng):
    image = rng.integers(0, 255, (30, 50, 3)).astype(np.uint8)
    labels = Segmentation(labels=np.full((30, 50), 255), classes=("a",))
    found = overlay_with_legend(image, labels)
    np.testing.assert_array_equal(found[3:210:7, 3:350:7], image)
    assert side_by_side({"a": image, "b": image}).shape[1] > 700


def test_labels_are_compared_in_a_row_and_unlabelled_pixels_are_white():
    palette = get_palette("landsat")
    labels = np.zeros((400, 390), np.uint8)
    labels[:, 200:] = 255
    image = np.full((400, 390, 3), 100, np.uint8)
    found = compare_labels(
        {"image": image}, {"labels": labels, "prediction": labels + labels // 255}, palette
    )
    top = found.shape[0] - 400
    assert (found[top + 10, 10] == 100).all()
    second = found[top:, 390:]
    assert (second == palette.array[0]).all(axis=-1).any()
    assert (second == 255).all(axis=-1).any()
