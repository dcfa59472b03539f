"""Averages over squares of pixels."""

from __future__ import annotations

import pytest
import torch

from vitrail_avatars.kernels.raster import average


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3, 7])
def test_it_is_the_mean_of_a_square(samples, channels):
    image = torch.rand(2, 4 * samples, 5 * samples, channels)
    found = average(image, samples)
    assert found.shape == (2, 4, 5, channels)
    for row, column in ((0, 0), (3, 4), (2, 1)):
        square = image[:, row * samples : (row + 1) * samples, column * samples : (column + 1) * samples]
        torch.testing.assert_close(found[:, row, column], square.mean(dim=(1, 2)))


def test_strides_dtypes_and_gradients():
    image = torch.rand(1, 4, 6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.equal(average(image, 2), average(image.mT.contiguous().mT, 2))
    average(image, 2).sum().backward()
    assert (image.grad == 0.25).all()
    assert average(image.detach().half(), 2).dtype == torch.float16
    assert average(image[:0], 2).shape == (0, 2, 3, 3)


def test_the_input_stays_as_it_was():
    image = torch.rand(1, 4, 6, 3)
    before = image.clone()
    for samples in (1, 2):
        average(image, samples).add_(1)
        assert torch.equal(image, before)


def test_wrong_arguments():
    image = torch.rand(1, 4, 6, 3)
    for wrong, message in (
        ((image[0], 2), r"image is torch.float32 of shape \(4, 6, 3\); wanted are floats \(B, H, W, C\)"),
        ((image.int(), 2), "image is torch.int32"),
        ((image, 3), "samples is 3; wanted is a divisor of the picture's 4 x 6 pixels"),
        ((image, 0), "samples is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            average(*wrong)
