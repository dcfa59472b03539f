from __future__ import annotations

import numpy as np
import pytest

from vitrail.errors import InputError, UsageError
from vitrail_segmentation.patches import cut_patches, positions


@pytest.mark.parametrize(
    ("length", "size", "stride"), [(100, 32, 32), (100, 32, 16), (5, 32, 8), (32, 32, 32), (33, 32, 1)]
)
def test_positions_cover_the_axis_without_waste(length, size, stride):
    starts = list(positions(length, size, stride))
    covered = np.zeros(starts[-1] + size, bool)
    for start in starts:
        covered[start : start + size] = True
    assert covered.all()
    assert covered.size >= length
    assert len(starts) == 1 or starts[-2] + size < length


@pytest.mark.parametrize("anchor", ["top-left", "bottom-right"])
@pytest.mark.parametrize("multiple_of", [None, 16, 48])
def test_patches_put_together_give_the_picture(rng, anchor, multiple_of):
    image = rng.integers(1, 255, (45, 70, 3)).astype(np.uint8)
    mask = rng.integers(0, 6, (45, 70)).astype(np.uint8)
    seen = np.zeros((45, 70), int)
    for patch in cut_patches(image, mask, size=16, stride=8, anchor=anchor, multiple_of=multiple_of):
        assert patch.image.shape == (16, 16, 3)
        assert patch.mask.shape == (16, 16)
        for y, x in np.ndindex(16, 16):
            row, column = patch.top + y, patch.left + x
            if 0 <= row < 45 and 0 <= column < 70:
                seen[row, column] += 1
                assert (patch.image[y, x] == image[row, column]).all()
                assert patch.mask[y, x] == mask[row, column]
            else:
                assert (patch.image[y, x] == 0).all()
                assert patch.mask[y, x] == 255
    assert seen.min() >= 1


def test_multiple_of_makes_the_canvas_of_whole_patches():
    image = np.zeros((2064, 2494, 3), np.uint8)
    patches = list(cut_patches(image, size=1024, stride=512, anchor="bottom-right", multiple_of=1024))
    assert len(patches) == 25  # of a 3072 x 3072 canvas
    assert (patches[0].top, patches[0].left) == (2064 - 3072, 2494 - 3072)
    assert (patches[-1].top, patches[-1].left) == (2064 - 1024, 2494 - 1024)
    assert patches[0].mask is None
    assert len(list(cut_patches(image, size=1024, stride=512))) == 16


def test_mask_value_of_padding_can_be_chosen():
    (patch,) = cut_patches(
        np.ones((3, 3, 1), np.float32), np.ones((3, 3), np.uint8), size=4, ignore=9, fill=-1
    )
    assert (patch.mask[3] == 9).all()
    assert (patch.image[3] == -1).all()
    assert patch.image.dtype == np.float32


def test_wrong_arguments():
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(InputError, match="sizes must agree"):
        list(cut_patches(image, np.zeros((8, 9)), size=4))
    with pytest.raises(UsageError, match="leave gaps"):
        list(cut_patches(image, size=4, stride=5))
    with pytest.raises(UsageError, match="anchor"):
        list(cut_patches(image, size=4, anchor="middle"))
    with pytest.raises(InputError, match="nothing to cut"):
        list(cut_patches(image[:0], size=4))
