"""ClassMix, CutMix and CutOut of a batch."""

from __future__ import annotations

import pytest
import torch

from vitrail_prcl.mixing import Views, box_masks, class_masks, mix

COUNT, HEIGHT, WIDTH, CLASSES = 4, 12, 16, 6


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def views() -> Views:
    """Images that tell where each pixel comes from, and labels in bands of rows."""
    images = torch.arange(COUNT * HEIGHT * WIDTH).view(COUNT, 1, HEIGHT, WIDTH).float()
    labels = (torch.arange(HEIGHT) // 3)[None, :, None].expand(COUNT, HEIGHT, WIDTH).clone()
    labels[1] += 2
    labels[2, :, :5] = -1
    labels[3] = 5
    return Views(images, labels, torch.rand(COUNT, HEIGHT, WIDTH, generator=rng()))


@pytest.mark.parametrize("kind", ["classmix", "cutmix"])
def test_every_pixel_comes_whole_from_itself_or_the_next(kind):
    before = views()
    after = mix(before, kind, CLASSES, rng())
    own = after.images == before.images
    behind = after.images == before.images.roll(-1, 0)
    assert (own ^ behind).all()
    for mixed, given in ((after.labels, before.labels), (after.confidence, before.confidence)):
        assert torch.equal(mixed, torch.where(own[:, 0], given, given.roll(-1, 0)))
    assert own.any()
    assert behind.any()


def test_classmix_pastes_half_of_the_classes_and_no_pixel_without_one():
    labels = views().labels
    inside = class_masks(labels, CLASSES, rng())
    for row, mask in zip(labels, inside):
        pasted, kept = set(row[mask].tolist()), set(row[~mask].tolist())
        present = set(row.unique().tolist()) - {-1}
        assert not pasted & kept
        assert len(pasted) == max(len(present) // 2, 1)
        assert -1 not in pasted


def test_every_class_is_pasted_as_often():
    labels = views().labels[:1].expand(4000, -1, -1)
    inside = class_masks(labels, CLASSES, rng())
    counts = torch.tensor([inside[:, 3 * k].all(dim=1).sum() for k in range(4)]).float()
    assert (counts - 2000).abs().max() < 200


def test_boxes_have_half_the_area_and_lie_inside():
    inside = box_masks(500, 60, 80, rng())
    areas = inside.flatten(1).float().mean(dim=1)
    assert (areas - 0.5).abs().max() < 0.02
    wide = inside.any(dim=1).sum(dim=1)
    assert wide.min() >= 40
    assert wide.max() <= 80
    lefts = inside.any(dim=1).float().argmax(dim=1)
    assert lefts.min() == 0
    assert lefts.max() > 30


def test_cutout_takes_labels_and_leaves_images():
    before = views()
    after = mix(before, "cutout", CLASSES, rng())
    assert after.images is before.images
    lost = after.labels != before.labels
    assert (after.labels[lost] == -1).all()
    assert 0.4 < (after.labels[3] == -1).float().mean() < 0.6


def test_nothing_and_one_image_alone():
    before = views()
    assert mix(before, "none", CLASSES, rng()) is before
    alone = Views(*(part[:1] for part in before))
    for mine, given in zip(mix(alone, "classmix", CLASSES, rng()), alone):
        assert torch.equal(mine, given)
