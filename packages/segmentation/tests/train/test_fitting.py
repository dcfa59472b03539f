"""Images brought to a size that suits a network, and back."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vitrail_segmentation.fitting import enlarge, pad, shrink


@pytest.mark.parametrize("length", [1, 5, 16, 17, 31, 32, 33, 64, 95])
@pytest.mark.parametrize("multiple", [4, 32])
def test_padding_mirrors_and_repeats_the_edge_where_the_image_is_too_short(length, multiple):
    image = torch.rand(2, 3, length, 40)
    below, right = -length % multiple, -40 % multiple
    wanted = F.pad(image, (0, 0, 0, below), mode="reflect" if below < length else "replicate")
    wanted = F.pad(wanted, (0, right, 0, 0), mode="reflect")
    assert torch.equal(pad(image, multiple), wanted)
    assert torch.equal(pad(image.mT, multiple), wanted.mT)


def test_a_multiple_of_one_is_every_size():
    image = torch.rand(1, 3, 7, 5)
    assert pad(image, 1) is image


def test_enlarging_is_bilinear_and_shrinking_takes_the_mean():
    image = torch.rand(2, 3, 5, 4)
    wanted = F.interpolate(image, size=(15, 12), mode="bilinear", align_corners=False)
    torch.testing.assert_close(enlarge(image, 3), wanted)
    blocks = wanted.view(2, 3, 5, 3, 4, 3).mean(dim=(3, 5))
    torch.testing.assert_close(shrink(wanted, 3), blocks)
    assert enlarge(image, 1) is image
    assert shrink(image, 1) is image
