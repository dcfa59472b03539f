"""Changes of images: what each must leave alone, and that each image has its own strength. The methods that use them
compare with torchvision."""

from __future__ import annotations

import pytest
import torch

from vitrail_training.images import GREY, gaussian_blur, grey, jitter


def colours(count=4, height=9, width=12):
    return torch.rand(
        count, 3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )


def test_blur_is_the_formula_with_each_images_own_sigma():
    images, sigma, (tall, wide) = colours(), torch.tensor([0.3, 0.8, 1.5, 3.0], dtype=torch.float64), (5, 3)
    found = gaussian_blur(images, sigma, kernel=(tall, wide))
    for image, one, mine in zip(images, sigma, found):
        rows, columns = (torch.arange(n, dtype=torch.float64) - n // 2 for n in (tall, wide))
        weights = torch.exp(-(rows[:, None] ** 2 + columns**2) / (2 * one**2))
        window = image[:, 2 : 2 + tall, 4 : 4 + wide]
        wanted = (window * weights).sum(dim=(1, 2)) / weights.sum()
        torch.testing.assert_close(mine[:, 4, 5], wanted)


def test_blur_keeps_what_is_even():
    images = torch.full((2, 4, 8, 8), 0.3)
    torch.testing.assert_close(gaussian_blur(images, torch.tensor([0.5, 4.0]), kernel=(5, 5)), images)


def test_grey_is_the_luma():
    image = colours(1)
    wanted = sum(share * image[:, k] for k, share in enumerate(GREY))
    torch.testing.assert_close(grey(image)[:, 0], wanted)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0)])
def test_no_change_changes_nothing(order):
    images = colours()
    factors = torch.tensor([1.0, 1.0, 1.0, 0.0]).repeat(len(images), 1)
    torch.testing.assert_close(jitter(images, factors, torch.tensor([order] * len(images))), images)


def test_each_image_has_its_own_factors_and_order():
    images = colours(1).repeat(3, 1, 1, 1)
    factors = torch.tensor([[0.5, 1.0, 1.0, 0.0], [0.5, 0.0, 1.0, 0.0], [0.5, 0.0, 1.0, 0.0]])
    order = torch.tensor([[0, 1, 2, 3], [0, 1, 2, 3], [1, 0, 2, 3]])
    dark, flat, other = jitter(images, factors, order)
    torch.testing.assert_close(dark, images[0] / 2)
    mean = grey(images[:1]).mean()
    torch.testing.assert_close(flat, (mean / 2).expand_as(flat))
    torch.testing.assert_close(other, (mean / 2).expand_as(other))
    bright = torch.tensor([[4.0, 0.0, 1.0, 0.0]])
    first, last = (jitter(images[:1], bright, torch.tensor([row])) for row in ((0, 1, 2, 3), (1, 0, 2, 3)))
    assert not torch.allclose(first, last), "what is cut off at 1 makes the order count"


def test_a_third_of_a_turn_moves_red_to_green():
    red = torch.zeros(1, 3, 2, 2)
    red[:, 0] = 1
    turned = jitter(red, torch.tensor([[1.0, 1.0, 1.0, 1 / 3]]), torch.arange(4)[None])
    torch.testing.assert_close(turned[0, :, 0, 0], torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)
