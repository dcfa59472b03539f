"""RSP: each change equals torchvision's, image by image, and the draws have the stated odds."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision.transforms.functional as one_at_a_time

from vitrail_topofr.perturb import (
    BLUR,
    ERASE,
    GRAY,
    JITTER,
    KERNEL,
    NONE,
    Plan,
    Ranges,
    apply_plan,
    draw_plan,
    erase,
    perturb,
)
from vitrail_training.images import gaussian_blur, grey, jitter


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def colours(count: int = 6, height: int = 31, width: int = 24) -> torch.Tensor:
    images = torch.rand(count, 3, height, width, generator=rng())
    images[0] = images[0, :1]  # grey: no hue
    images[1, :, :9] = 0
    images[1, :, 20:] = 1
    return images


def test_blur_is_torchvisions():
    images = colours()
    sigma = torch.tensor([0.1, 0.3, 0.9, 1.7, 3.3, 5.0])
    found = gaussian_blur(images, sigma, kernel=KERNEL)
    for image, one, mine in zip(images, sigma.tolist(), found):
        wanted = one_at_a_time.gaussian_blur(image, [5, 9], [one, one])
        torch.testing.assert_close(mine, wanted, atol=1e-6, rtol=0)


def test_grey_is_torchvisions():
    wanted = one_at_a_time.rgb_to_grayscale(colours())
    torch.testing.assert_close(grey(colours()), wanted, atol=1e-6, rtol=0)


def test_jitter_is_torchvisions_in_every_order():
    images = colours(24)
    plan = draw_plan(24, 31, 24, generator=rng(1))
    order = torch.tensor([[a, b, c, 6 - a - b - c] for a in range(4) for b in range(4) for c in range(4)
                          if len({a, b, c}) == 3])  # fmt: skip
    assert len(order) == math.factorial(4)
    changes = (
        one_at_a_time.adjust_brightness,
        one_at_a_time.adjust_contrast,
        one_at_a_time.adjust_saturation,
        one_at_a_time.adjust_hue,
    )
    found = jitter(images, plan.factors, order)
    for image, factors, turns, mine in zip(images, plan.factors.tolist(), order.tolist(), found):
        for turn in turns:
            image = changes[turn](image, factors[turn])
        torch.testing.assert_close(mine, image, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shift", [-0.5, -0.1, 0.0, 0.17, 0.5])
def test_hue_is_torchvisions(shift):
    images = colours()
    factors = torch.tensor([[1.0, 1.0, 1.0, shift]]).repeat(len(images), 1)
    order = torch.arange(4).repeat(len(images), 1)
    wanted = one_at_a_time.adjust_hue(images, shift)
    torch.testing.assert_close(jitter(images, factors, order), wanted, atol=1e-5, rtol=0)


def test_erasing_sets_its_box_to_the_middle_grey():
    images = torch.ones(2, 3, 8, 9)
    found = erase(images, torch.tensor([[1, 2, 3, 4], [0, 0, 0, 0]]))
    wanted = torch.ones(2, 3, 8, 9)
    wanted[0, :, 1:4, 2:6] = 0
    assert torch.equal(found, wanted)


def test_boxes_are_drawn_as_timm_draws_them():
    """The mean area, side and place of many boxes, beside a loop that follows timm's description."""
    plan = draw_plan(20_000, 112, 96, generator=rng())
    top, left, height, width = plan.boxes.unbind(1)
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= 112).all()
    assert (left + width <= 96).all()
    assert (height > 0).all(), "ten attempts practically always fit"
    torch.manual_seed(0)
    rows = []
    for _ in range(20_000):
        while True:
            area = (0.02 + (1 / 3 - 0.02) * torch.rand(()).item()) * 112 * 96
            ratio = math.exp(math.log(0.3) + (math.log(1 / 0.3) - math.log(0.3)) * torch.rand(()).item())
            h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if h < 112 and w < 96:
                break
        rows.append((int(torch.randint(0, 112 - h + 1, ())), int(torch.randint(0, 96 - w + 1, ())), h, w))
    wanted = torch.tensor(rows).double()
    found = plan.boxes.double()
    assert (found.mean(0) - wanted.mean(0)).abs().max() < 1
    assert (found.std(0) - wanted.std(0)).abs().max() < 1
    areas = [(boxes[:, 2] * boxes[:, 3]).mean().item() for boxes in (found, wanted)]
    assert areas[0] == pytest.approx(areas[1], rel=0.03)


def test_odds_and_ranges():
    plan, ranges = draw_plan(50_000, 112, 112, generator=rng()), Ranges()
    share = torch.bincount(plan.operation + 1, minlength=5) / 50_000
    assert share.tolist() == pytest.approx([0.8, 0.05, 0.05, 0.05, 0.05], abs=0.005)
    bounds = (ranges.brightness, ranges.contrast, ranges.saturation, ranges.hue)
    for values, (low, high) in zip([plan.sigma, *plan.factors.unbind(1)], (ranges.sigma, *bounds)):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
    orders = {tuple(order) for order in plan.order[:2000].tolist()}
    assert len(orders) == 24
    assert set(draw_plan(100, 20, 20, generator=rng(), xi=1.0).operation.tolist()) == {
        BLUR,
        GRAY,
        JITTER,
        ERASE,
    }


def test_each_image_gets_what_the_plan_says():
    images = colours() * 2 - 1
    plan = draw_plan(6, 31, 24, generator=rng(2))
    plan = Plan(torch.tensor([NONE, BLUR, GRAY, JITTER, ERASE, BLUR]), *list(vars(plan).values())[1:])
    found, clean = apply_plan(images, plan)
    rgb = images / 2 + 0.5
    assert clean is images
    assert torch.equal(found[0], images[0])
    assert torch.equal(found[4], erase(images[4:5], plan.boxes[4:5])[0])
    wanted = {
        1: gaussian_blur(rgb[1:2], plan.sigma[1:2], kernel=KERNEL)[0],
        2: grey(rgb[2:3])[0].expand(3, -1, -1),
        3: jitter(rgb[3:4], plan.factors[3:4], plan.order[3:4])[0],
        5: gaussian_blur(rgb[5:6], plan.sigma[5:6], kernel=KERNEL)[0],
    }
    for index, one in wanted.items():
        torch.testing.assert_close(found[index], one * 2 - 1)
    assert all((found[index] - images[index]).abs().max() > 0.01 for index in range(1, 6))


def test_the_same_generator_gives_the_same_and_the_batch_is_not_written_to():
    images = colours(40) * 2 - 1
    before = images.clone()
    one, other = perturb(images, generator=rng(5)), perturb(images, generator=rng(5))
    assert torch.equal(one.images, other.images)
    assert torch.equal(images, before)
    assert 0 < (one.images != images).flatten(1).any(1).sum() < 20
    assert not torch.equal(one.images, perturb(images, generator=rng(6)).images)
    assert torch.equal(perturb(images, generator=rng(), xi=0.0).images, images)


def test_released_erases_the_clean_batch_too():
    images = colours(60) * 2 - 1
    before = images.clone()
    plan = draw_plan(60, 31, 24, generator=rng(7))
    paper, released = (apply_plan(images, plan, fidelity=name) for name in ("paper", "released"))
    assert torch.equal(paper.images, released.images)
    erased = plan.operation == ERASE
    assert erased.any()
    assert torch.equal(released.clean[erased], released.images[erased])
    assert torch.equal(released.clean[~erased], images[~erased])
    assert torch.equal(images, before), "neither writes to the batch itself"


def test_small_images_and_none():
    assert perturb(torch.zeros(0, 3, 8, 8), generator=rng()).images.shape == (0, 3, 8, 8)
    assert perturb(torch.zeros(30, 3, 5, 5), generator=rng(), xi=1.0).images.isfinite().all()


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 1, 8, 8\); wanted is \(2, 3, H, W\)"):
        perturb(torch.zeros(2, 1, 8, 8), generator=rng())
