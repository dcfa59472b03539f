"""What `convert` fills in where a checkpoint of other code does not say, and images of noise."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from vitrail.errors import UsageError
from vitrail_segmentation.conversion import ConvertOptions, image_fields
from vitrail_segmentation.network_config import IMAGENET_MEAN, IMAGENET_STD, NetworkConfig
from vitrail_segmentation.noise import noise_images
from vitrail_segmentation.palettes import get_palette

PUBLISHED = (get_palette("voc"), get_palette("cityscapes"))


def fields(*, count, bands=3, **options):
    found = image_fields(
        ConvertOptions(**options), where="x.pth", count=count, bands=bands, published=PUBLISHED
    )
    return NetworkConfig(**found)


@pytest.mark.parametrize("palette", PUBLISHED, ids=lambda palette: palette.name)
def test_a_published_data_set_is_known_by_its_count_of_classes(palette):
    found = fields(count=len(palette.classes))
    assert (found.classes, found.palette) == (palette.classes, palette.colours)
    assert (found.bands, found.mean, found.std) == (3, IMAGENET_MEAN, IMAGENET_STD)


def test_other_counts_and_bands():
    found = fields(count=2, bands=4)
    assert (found.classes, found.palette) == (("class 0", "class 1"), ())
    assert found.mean == pytest.approx((sum(IMAGENET_MEAN) / 3,) * 4, abs=1e-3)
    assert len(found.std) == 4


def test_what_is_given_goes_before():
    found = fields(count=21, classes=tuple("abcdefghijklmnopqrstu"), mean=(1.0,) * 3, std=(2.0,) * 3)
    assert (found.classes[20], found.palette, found.mean, found.std) == ("u", (), (1.0,) * 3, (2.0,) * 3)


def test_another_count_of_names_needs_a_word():
    with pytest.raises(
        UsageError, match=r"x\.pth has 21 classes and 2 names were given; give 21 names, or new_heads"
    ):
        fields(count=21, classes=("land", "water"))
    assert fields(count=21, classes=("land", "water"), new_heads=True).classes == ("land", "water")


@pytest.mark.parametrize(
    ("dtype", "mean", "std"), [("uint8", 100.0, 20.0), ("int16", -500.0, 90.0), ("float32", 0.3, 0.1)]
)
def test_noise_is_what_the_network_expects(dtype, mean, std):
    config = NetworkConfig(bands=2, mean=(mean, 2 * mean), std=(std, std), dtypes=(dtype,))
    images = noise_images(SimpleNamespace(config=config), 3, 40, 50)
    assert [image.shape for image in images] == [(40, 50, 2)] * 3
    assert images[0].dtype == dtype
    assert np.stack(images).mean(axis=(0, 1, 2)) == pytest.approx((mean, 2 * mean), abs=0.1 * std)
    assert np.stack(images).std(axis=(0, 1, 2)) == pytest.approx((std, std), rel=0.1)
    np.testing.assert_array_equal(images, noise_images(SimpleNamespace(config=config), 3, 40, 50))
    assert not np.array_equal(images[0], images[1])
