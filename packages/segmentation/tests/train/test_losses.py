"""Losses against numbers worked out by hand and against plain numpy in float64."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from vitrail_segmentation.losses import (
    deep_supervision,
    dice_loss,
    inverse_frequency_weights,
    joint_loss,
    soft_cross_entropy,
)

IGNORE = 255
SHAPES = [(1, 2, 1, 1), (2, 3, 5, 7), (3, 6, 4, 9)]


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def cross_entropy_pixel_by_pixel(logits, labels, smoothing, average, weights=None):
    """The definition as four nested loops."""
    p = softmax(logits)
    batch, classes, height, width = logits.shape
    total, count = 0.0, 0.0
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                label = labels[b, y, x]
                if label == IGNORE:
                    count += average == "all"
                    continue
                weight = 1.0 if weights is None else weights[label]
                own = -math.log(p[b, label, y, x])
                everything = sum(-math.log(p[b, c, y, x]) for c in range(classes)) / classes
                total += weight * ((1 - smoothing) * own + smoothing * everything)
                count += 1.0 if average == "all" else weight
    return total / count if count else 0.0


def dice_class_by_class(logits, labels, smooth):
    p = softmax(logits)
    valid = labels != IGNORE
    losses = []
    for c in range(logits.shape[1]):
        truth = (labels == c) & valid
        if not truth.any():
            losses.append(0.0)
            continue
        overlap = p[:, c][truth].sum()
        losses.append(1 - (2 * overlap + smooth) / (p[:, c][valid].sum() + truth.sum() + smooth))
    return sum(losses) / len(losses)


def random_case(shape, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, shape).astype(dtype)
    labels = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    labels[rng.random(labels.shape) < 0.3] = IGNORE
    return logits, labels


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "B{}-K{}-H{}-W{}".format(*s))
@pytest.mark.parametrize("average", ["all", "valid"])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_equals_its_definition(shape, average, weighted):
    logits, labels = random_case(shape, 1)
    weights = np.linspace(0.5, 2, shape[1]) if weighted else None
    got = soft_cross_entropy(
        torch.from_numpy(logits),
        torch.from_numpy(labels),
        average=average,
        class_weights=None if weights is None else torch.from_numpy(weights),
    )
    assert got.item() == pytest.approx(
        cross_entropy_pixel_by_pixel(logits, labels, 0.05, average, weights), rel=1e-12
    )


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "B{}-K{}-H{}-W{}".format(*s))
def test_dice_equals_its_definition(shape):
    logits, labels = random_case(shape, 2)
    got = dice_loss(torch.from_numpy(logits), torch.from_numpy(labels))
    assert got.item() == pytest.approx(dice_class_by_class(logits, labels, 0.05), rel=1e-12)


def test_cross_entropy_by_hand():
    # p = (3/4, 1/4): -log p = (log 4/3, log 4)
    logits = torch.log(torch.tensor([3.0, 1.0])).reshape(1, 2, 1, 1)
    labels = torch.zeros(1, 1, 1, dtype=torch.long)
    smoothed = 0.95 * math.log(4 / 3) + 0.05 / 2 * (math.log(4 / 3) + math.log(4))
    assert soft_cross_entropy(logits, labels).item() == pytest.approx(smoothed, rel=1e-6)
    assert soft_cross_entropy(logits, labels, smoothing=0).item() == pytest.approx(math.log(4 / 3), rel=1e-6)


def test_ignored_pixels_stay_in_the_published_denominator():
    logits = torch.zeros(1, 4, 1, 4)  # -log p = log 4 everywhere, whatever the smoothing
    labels = torch.tensor([[[0, IGNORE, IGNORE, IGNORE]]])
    assert soft_cross_entropy(logits, labels).item() == pytest.approx(math.log(4) / 4)
    assert soft_cross_entropy(logits, labels, average="valid").item() == pytest.approx(math.log(4))


def test_dice_by_hand():
    # Two pixels, both of class 0, p = 1/2: I = 1, P = 1, Y = 2 for class 0; class 1 is absent and gives 0.
    logits = torch.zeros(1, 2, 1, 2)
    labels = torch.zeros(1, 1, 2, dtype=torch.long)
    expected = (1 - (2 * 1 + 0.05) / (1 + 2 + 0.05)) / 2
    assert dice_loss(logits, labels).item() == pytest.approx(expected, rel=1e-6)


def test_dice_is_over_the_batch_not_the_mean_of_images():
    logits, labels = random_case((2, 3, 4, 4), 3)
    together = dice_loss(torch.from_numpy(logits), torch.from_numpy(labels))
    apart = [
        dice_loss(torch.from_numpy(logits[i : i + 1]), torch.from_numpy(labels[i : i + 1])) for i in (0, 1)
    ]
    assert abs(together.item() - sum(a.item() for a in apart) / 2) > 1e-3


def test_without_smoothing_it_is_torch_cross_entropy():
    logits, labels = random_case((2, 5, 6, 3), 4)
    logits, labels = torch.from_numpy(logits), torch.from_numpy(labels)
    weights = torch.rand(5, dtype=torch.float64)
    ours = soft_cross_entropy(logits, labels, smoothing=0, average="valid", class_weights=weights)
    theirs = functional.cross_entropy(logits, labels, ignore_index=IGNORE, weight=weights)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)


@pytest.mark.parametrize("average", ["all", "valid"])
def test_all_ignored_gives_zero_and_zero_gradients(average):
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    labels = torch.full((2, 4, 4), IGNORE)
    loss = joint_loss(logits, labels, average=average, class_weights=torch.ones(3))
    loss.backward()
    assert loss.item() == 0
    assert torch.count_nonzero(logits.grad) == 0
    assert joint_loss(logits, labels, smooth=0).item() == 0


def test_ignored_pixels_get_no_gradient():
    logits, labels = random_case((2, 3, 5, 5), 5)
    logits = torch.from_numpy(logits).requires_grad_()
    joint_loss(logits, torch.from_numpy(labels)).backward()
    ignored = torch.from_numpy(labels == IGNORE)
    assert torch.count_nonzero(logits.grad.permute(0, 2, 3, 1)[ignored]) == 0
    assert torch.count_nonzero(logits.grad) > 0


def test_gradcheck():
    logits, labels = random_case((2, 3, 2, 3), 6)
    labels = torch.from_numpy(labels)
    assert torch.autograd.gradcheck(
        lambda z: joint_loss(z, labels, average="valid"), torch.from_numpy(logits).requires_grad_()
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_logits_are_summed_in_float32(dtype):
    logits, labels = random_case((1, 6, 64, 64), 7, np.float32)
    low = torch.from_numpy(logits).to(dtype)
    got = joint_loss(low, torch.from_numpy(labels))
    assert got.dtype == torch.float32
    assert got.item() == pytest.approx(joint_loss(low.float(), torch.from_numpy(labels)).item())


def test_deep_supervision_adds_each_enlarged_head():
    logits, labels = random_case((1, 3, 8, 8), 8)
    logits, labels = torch.from_numpy(logits), torch.from_numpy(labels)
    heads = [torch.randn(1, 3, 4, 4).double(), torch.randn(1, 3, 2, 2).double()]
    got = deep_supervision(joint_loss, logits, heads, labels, weight=0.4)
    # align_corners=True: the corners of the small map are the corners of the large one
    large = [functional.interpolate(h, (8, 8), mode="bilinear", align_corners=True) for h in heads]
    assert torch.equal(large[0][..., ::7, ::7], heads[0][..., ::3, ::3])
    expected = joint_loss(logits, labels) + 0.4 * sum(joint_loss(h, labels) for h in large)
    assert got.item() == pytest.approx(expected.item(), rel=1e-12)
    assert deep_supervision(joint_loss, logits, [], labels).item() == joint_loss(logits, labels).item()


def test_inverse_frequency_weights():
    assert inverse_frequency_weights([10, 10]) == pytest.approx([1, 1])
    weights = inverse_frequency_weights([900, 100, 0])
    assert weights[1] / weights[0] == pytest.approx(3)  # the square root of 9
    assert weights[0] * 0.9 + weights[1] * 0.1 == pytest.approx(1)
    assert weights[2] == 0
    assert max(inverse_frequency_weights([10**6, 1], power=1)) == 10
