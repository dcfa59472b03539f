"""Augmentation: image and labels move together, nothing is invented, and the generator decides everything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.errors import InputError
from vitrail_segmentation import augment

IGNORE = 255
DTYPES = [np.uint8, np.uint16, np.int16, np.float32, np.float64]


def marked(height, width, bands=1, dtype=np.int64, offset=0):
    """An image whose every pixel is its own number, and labels that repeat it, so that they can be compared."""
    numbers = offset + np.arange(height * width).reshape(height, width)
    return np.repeat(numbers[..., None], bands, axis=2).astype(dtype), numbers


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
@pytest.mark.parametrize("bands", [1, 3, 7])
def test_resize_keeps_dtype_bands_and_a_constant(dtype, bands):
    image = np.full((9, 6, bands), 93, dtype)
    for size in [(18, 12), (4, 5), (9, 6), (1, 1)]:
        resized = augment.resize_image(image, size)
        assert resized.shape == (*size, bands)
        assert resized.dtype == dtype
        np.testing.assert_allclose(resized, 93, rtol=1e-5)


def test_resize_treats_each_band_alone():
    image = rng(1).normal(size=(8, 8, 5)).astype(np.float32)
    whole = augment.resize_image(image, (12, 5))
    for band in range(5):
        np.testing.assert_array_equal(
            whole[..., band : band + 1], augment.resize_image(image[..., band : band + 1], (12, 5))
        )


def test_integers_are_clipped_not_wrapped():
    image = np.zeros((8, 8, 1), np.uint8)
    image[:, 4:] = 255  # bicubic overshoots on both sides of the step
    resized = augment.resize_image(image, (32, 32))[16, :, 0].astype(int)
    assert resized[:8].max() == 0
    assert resized[-8:].min() == 255
    assert (np.diff(resized) >= 0).all()


def test_labels_and_image_stay_aligned_when_resized():
    labels = np.zeros((20, 30), np.uint8)
    labels[6:14, 10:20] = 1
    image = labels[..., None].astype(np.float32)
    for size in [(10, 15), (40, 60), (30, 45), (15, 22)]:
        weight = augment.resize_image(image, size)[..., 0]
        found = np.argwhere(augment.resize_labels(labels, size) == 1)
        for axis in (0, 1):
            profile = weight.sum(axis=1 - axis)
            centre = (profile * np.arange(len(profile))).sum() / profile.sum()
            assert centre == pytest.approx(found[:, axis].mean(), abs=0.51)  # nearest can be half a pixel off
            assert centre == pytest.approx((10, 15)[axis] * size[axis] / labels.shape[axis] - 0.5, abs=0.02)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_resized_labels_are_labels_that_were_there(height, width, new_height, new_width):
    labels = np.random.default_rng(height * width).integers(0, 256, (height, width), dtype=np.uint8)
    resized = augment.resize_labels(labels, (new_height, new_width))
    assert resized.shape == (new_height, new_width)
    assert set(np.unique(resized)) <= set(np.unique(labels))
    if (new_height, new_width) == (height, width):
        np.testing.assert_array_equal(resized, labels)


def test_random_scale_draws_from_the_list():
    image, labels = marked(40, 20, 2, np.float32)
    sizes = {augment.random_scale(image, labels, (0.5, 1.0, 1.5), rng(seed))[1].shape for seed in range(30)}
    assert sizes == {(20, 10), (40, 20), (60, 30)}


@pytest.mark.parametrize("name", ["random_flip", "random_rotate90"])
def test_turning_keeps_image_and_labels_together(name):
    image, labels = marked(5, 7, 3)
    seen = set()
    for seed in range(60):
        turned, turned_labels = getattr(augment, name)(image, labels, rng(seed))
        np.testing.assert_array_equal(turned[..., 1], turned_labels)
        seen.add((turned_labels.shape, int(turned_labels[0, 0])))
    assert len(seen) == 4  # every corner comes to the top left


def test_turning_probabilities():
    image, labels = marked(2, 2)
    assert all(
        augment.random_flip(image, labels, rng(s), horizontal=0, vertical=0)[1] is labels for s in range(9)
    )
    flipped = augment.random_flip(image, labels, rng(), horizontal=1, vertical=0)[1]
    np.testing.assert_array_equal(flipped, labels[:, ::-1])
    same = sum(np.array_equal(augment.random_rotate90(image, labels, rng(s))[1], labels) for s in range(400))
    assert 200 < same < 300  # 1/2 + 1/2 * 1/4 = 0.625 of 400


def test_smart_crop_finds_the_varied_place():
    labels = np.zeros((64, 64), np.uint8)
    labels[40:52, 40:52] = 1
    image = labels[..., None].astype(np.float32)
    varied = 0
    for seed in range(200):
        crop, crop_labels = augment.smart_crop(image, labels, 16, rng(seed))
        assert crop.shape == (16, 16, 1)
        np.testing.assert_array_equal(crop[..., 0], crop_labels)
        varied += augment.is_varied(crop_labels)
    plain = sum(
        augment.is_varied(augment.smart_crop(image, labels, 16, rng(s), tries=1)[1]) for s in range(200)
    )
    assert varied > 1.5 * plain


def test_smart_crop_gives_up_after_its_tries():
    class Counting:
        calls = 0

        def integers(self, high):
            Counting.calls += 1
            return 0

    augment.smart_crop(np.zeros((8, 8, 1)), np.zeros((8, 8), int), 4, Counting())
    assert Counting.calls == 2 * 11


def test_is_varied_by_hand():
    assert augment.is_varied(np.array([0, 0, 1, 1]))
    assert not augment.is_varied(np.array([0, 0, 0, 1]))  # a share of exactly 0.75 is too much
    assert augment.is_varied(np.array([0, 0, 1, IGNORE, IGNORE, IGNORE]))  # ignored pixels do not count
    assert not augment.is_varied(np.array([0, 0, IGNORE]))
    assert not augment.is_varied(np.array([IGNORE]))


def test_smart_crop_pads_small_images_with_ignore():
    image, labels = marked(5, 7, 2, np.uint8, offset=1)
    crop, crop_labels = augment.smart_crop(image, labels, 12, rng())
    assert (crop_labels == IGNORE).sum() == 144 - 35
    np.testing.assert_array_equal(crop_labels[:5, :7], labels)
    assert (crop[5:] == 0).all()
    assert (crop[:, 7:] == 0).all()


@given(st.integers(4, 40), st.integers(4, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_mosaic_is_four_quarters(height, width, seed):
    parts = [marked(height + k, width + 2 * k, 2, offset=10_000 * k) for k in range(4)]
    image, labels = augment.mosaic(parts, rng(seed))
    assert labels.shape == (height, width)
    np.testing.assert_array_equal(image[..., 0], labels)
    sources = labels // 10_000
    middle_y, middle_x = int((sources[:, 0] == 0).sum()), int((sources[0] == 0).sum())
    assert height // 4 <= middle_y <= height - height // 4
    assert width // 4 <= middle_x <= width - width // 4
    expected = np.add.outer(2 * (np.arange(height) >= middle_y), (np.arange(width) >= middle_x).astype(int))
    np.testing.assert_array_equal(sources, expected)
    for k in range(4):  # each quarter is a connected crop: neighbours stay neighbours
        quarter = (
            labels[sources == k].reshape((expected == k).sum(0).max(), -1)
            if (expected == k).any()
            else labels[:0]
        )
        assert (np.diff(quarter, axis=1) == 1).all()
        assert (np.diff(quarter, axis=0) == width + 2 * k).all()


def test_mosaic_refuses_what_it_cannot_do():
    parts = [marked(4, 4)] * 3
    with pytest.raises(InputError, match="3 were given"):
        augment.mosaic(parts, rng())
    with pytest.raises(InputError, match="4x4 was given an image of 3x4"):
        augment.mosaic([*parts, marked(3, 4)], rng())


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
def test_photometric_jitter_keeps_dtype_and_range(dtype):
    image = rng(3).integers(0, 256, (16, 16, 5)).astype(dtype)
    changed = augment.photometric_jitter(image, rng(4))
    assert changed.dtype == dtype
    assert not np.array_equal(changed, image)
    if np.issubdtype(dtype, np.integer):
        full = np.full((4, 4, 1), np.iinfo(dtype).max, dtype)
        lowest = augment.photometric_jitter(full, rng(4), gain=0.1, brightness=0.1).min()
        assert lowest > np.iinfo(dtype).max * 0.7  # a wrapped value would be small


def test_photometric_jitter_by_hand():
    image = rng(5).normal(size=(6, 6, 3))
    changed = augment.photometric_jitter(image, rng(6), gain=0.2, brightness=0.3, noise=0)
    for band in range(3):
        slope, offset = np.polyfit(image[..., band].ravel(), changed[..., band].ravel(), 1)
        assert abs(slope - 1) <= 0.2
        assert abs(offset) <= 0.3
    noisy = augment.photometric_jitter(np.zeros((200, 200, 1)), rng(7), gain=0, brightness=0, noise=0.5)
    assert noisy.std() == pytest.approx(0.5, rel=0.02)


def test_photometric_jitter_leaves_pixels_without_data():
    image = np.ones((8, 8, 2), np.float32)
    where = np.zeros((8, 8), bool)
    where[2:5] = True
    changed = augment.photometric_jitter(image, rng(), where=where)
    np.testing.assert_array_equal(changed[~where], 1)
    assert (changed[where] != 1).any()


def test_the_same_generator_gives_the_same_result():
    image = rng(8).normal(size=(48, 40, 5)).astype(np.float32)
    labels = rng(9).integers(0, 4, (48, 40)).astype(np.uint8)

    def chain(seed):
        random = rng(seed)
        parts = [(image, labels)] * 4
        out = augment.mosaic(parts, random)
        out = augment.random_scale(*out, (0.5, 0.75, 1.0, 1.5), random)
        out = augment.smart_crop(*out, 32, random)
        out = augment.random_rotate90(*augment.random_flip(*out, random), random)
        return augment.photometric_jitter(out[0], random), out[1]

    first, again, other = chain(1), chain(1), chain(2)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
