"""The strong view's colours, sharpness and size."""

from __future__ import annotations

import pytest
import torch
import torchvision.transforms.functional as one_at_a_time

from vitrail.errors import UsageError
from vitrail_prcl.mixing import Views
from vitrail_prcl.strong import Strong, resize_views
from vitrail_prcl.train_config import StrongConfig
from vitrail_segmentation.network_config import IMAGENET_MEAN, IMAGENET_STD

STILL = StrongConfig(jitter_probability=0, blur_probability=0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def strong(config: StrongConfig, bands: int = 3) -> Strong:
    if bands == 3:
        return Strong(config, mean=IMAGENET_MEAN, std=IMAGENET_STD, rgb=True)
    return Strong(config, mean=(0.0,) * bands, std=(1.0,) * bands, rgb=False)


def photographs(count: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """In 0 to 1, and normalised."""
    colours = torch.rand(count, 3, 20, 24, generator=rng())
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (IMAGENET_MEAN, IMAGENET_STD))
    return colours, (255 * colours - mean) / std


def test_nothing_is_done_where_nothing_is_asked_and_the_input_stays():
    _, images = photographs()
    given = images.clone()
    assert torch.equal(strong(STILL)(images, rng()), images)
    strong(StrongConfig())(images, rng())
    assert torch.equal(images, given)


def test_colours_change_as_torchvision_changes_them():
    colours, images = photographs()
    config = StrongConfig(
        jitter_probability=1, blur_probability=0, contrast=0, saturation=0, hue=0, brightness=0.5
    )
    found = strong(config)(images, rng())
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (IMAGENET_MEAN, IMAGENET_STD))
    found = (found * std + mean) / 255
    for given, mine in zip(colours, found):
        factor = (mine.median() / given.median()).item()
        assert 0.5 <= factor <= 1.5
        torch.testing.assert_close(mine, one_at_a_time.adjust_brightness(given, factor), atol=2e-3, rtol=0)


def test_bands_that_are_no_colours_get_a_gain_and_an_offset_each():
    images = torch.randn(500, 5, 4, 4, generator=rng())
    found = strong(StrongConfig(jitter_probability=1, blur_probability=0, contrast=0.2, brightness=0.1), 5)(
        images, rng()
    )
    x, y = (v.flatten(2).double() for v in (images, found))
    gain = ((x - x.mean(2, keepdim=True)) * (y - y.mean(2, keepdim=True))).sum(2) / (
        x - x.mean(2, keepdim=True)
    ).square().sum(2)
    offset = (y - gain[..., None] * x).mean(2)
    assert gain.min() > 0.799
    assert gain.max() < 1.201
    assert offset.abs().max() < 0.101
    assert gain.std() > 0.1
    assert gain[:, 0].ne(gain[:, 1]).all()


def test_probabilities_are_kept_and_draws_repeat():
    images = torch.randn(2000, 1, 6, 6, generator=rng())
    change = strong(StrongConfig(jitter_probability=0.3, blur_probability=0), 1)
    found = change(images, rng(1))
    assert (found != images).flatten(1).any(dim=1).float().mean().item() == pytest.approx(0.3, abs=0.04)
    assert torch.equal(found, change(images, rng(1)))
    blurred = strong(StrongConfig(jitter_probability=0, blur_probability=1, blur_sigma=(1.0, 1.0)), 1)(
        images, rng()
    )
    assert blurred.std() < 0.5 * images.std()
    noisy = strong(StrongConfig(jitter_probability=0, blur_probability=0, noise=0.5), 1)(images, rng())
    assert (noisy - images).std().item() == pytest.approx(0.5, rel=0.02)


def test_a_small_image_is_blurred_too():
    images = torch.randn(2, 1, 2, 3, generator=rng())
    config = StrongConfig(jitter_probability=0, blur_probability=1, blur_sigma=(3.0, 3.0))
    assert strong(config, 1)(images, rng()).isfinite().all()


def views(count: int = 64, side: int = 40) -> Views:
    """Images that hold their own labels, so that what moves must move together."""
    labels = (torch.arange(side)[:, None] // 8 * 5 + torch.arange(side) // 8).expand(count, side, side)
    return Views(labels[:, None].float(), labels, labels / 25 + 0.01)


@pytest.mark.parametrize("scales", [(1.5, 2.0), (0.5, 0.7), (0.5, 2.0)])
def test_image_labels_and_confidence_are_resized_together(scales):
    given = views()
    found = resize_views(given, scales, rng())
    known = found.labels >= 0
    assert torch.equal(found.confidence[known], (found.labels / 25 + 0.01)[known])
    assert (found.confidence[~known] == 0).all()
    # away from the edges between classes the image is its label
    same = (found.images[:, 0] - found.labels).abs()[known] < 1e-3
    assert same.float().mean() > 0.6
    share = known.flatten(1).float().mean(dim=1)
    if scales[0] > 1:
        assert share.min() == 1
    if scales[1] < 1:
        assert 0.2 < share.min() < share.max() < 0.52


def test_a_size_of_one_is_left_alone_and_bad_settings_are_refused():
    given = views(2)
    assert resize_views(given, (1.0, 1.0), rng()) is given
    with pytest.raises(UsageError, match="scales is"):
        StrongConfig(scales=(2.0, 1.0))
    with pytest.raises(UsageError, match="hue is"):
        StrongConfig(hue=0.7)
