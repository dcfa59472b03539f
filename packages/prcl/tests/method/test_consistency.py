"""Losses on pseudo-labels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vitrail_prcl.consistency import by_image, by_pixel


def case():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 3, (2, 4, 5), generator=generator)
    confidence = torch.rand(2, 4, 5, generator=generator)
    labels[0, :2] = -1
    return logits, labels, confidence


def test_an_image_weighs_as_much_as_the_share_of_its_sure_pixels():
    logits, labels, confidence = case()
    total = 0.0
    for image, label, sure in zip(logits, labels, confidence):
        known = label >= 0
        weight = ((sure >= 0.6) & known).sum() / known.sum()
        total = total + weight * F.cross_entropy(
            image[None].float(), label[None], ignore_index=-1, reduction="sum"
        )
    wanted = total / (labels >= 0).sum()
    torch.testing.assert_close(by_image(logits, labels, confidence, threshold=0.6), wanted)


def test_only_sure_pixels_count_and_all_labelled_ones_divide():
    logits, labels, confidence = case()
    losses = F.cross_entropy(logits.float(), labels.clamp_min(0), reduction="none")
    chosen = (labels >= 0) & (confidence >= 0.6)
    wanted = losses[chosen].sum() / (labels >= 0).sum()
    torch.testing.assert_close(by_pixel(logits, labels, confidence, threshold=0.6), wanted)


@pytest.mark.parametrize("way", [by_image, by_pixel])
def test_without_any_label_it_is_nothing_with_a_gradient(way):
    logits, labels, confidence = case()
    found = way(logits, torch.full_like(labels, -1), confidence, threshold=0.5)
    assert found.item() == 0
    found.backward()
    assert logits.grad.abs().max() == 0


def test_one_image_without_a_label_leaves_the_other():
    logits, labels, confidence = case()
    labels[0] = -1
    alone = by_image(logits[1:], labels[1:], confidence[1:], threshold=0.5)
    torch.testing.assert_close(by_image(logits, labels, confidence, threshold=0.5), alone)
