from __future__ import annotations

import numpy as np
import pytest

from vitrail.errors import InputError, UsageError
from vitrail_segmentation.palettes import PALETTES, Palette, get_palette


@pytest.mark.parametrize("name", PALETTES)
def test_encode_undoes_decode(name, rng):
    palette = get_palette(name)
    labels = rng.integers(0, len(palette.classes), (40, 30)).astype(np.uint8)
    labels[:3] = 255
    picture = palette.decode(labels)
    assert picture.shape == (40, 30, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(palette.encode(picture), labels)


def test_known_colours():
    isprs, loveda = get_palette("isprs"), get_palette("loveda")
    assert isprs.decode(np.array([[0, 1, 2, 3, 4, 5, 255]])).tolist() == [
        [[255, 255, 255], [0, 0, 255], [0, 255, 255], [0, 255, 0], [255, 255, 0], [255, 0, 0], [0, 0, 0]]
    ]
    assert loveda.classes[4] == "barren"
    assert loveda.colours[4] == (159, 129, 183)
    assert [len(get_palette(name).classes) for name in ("voc", "cityscapes", "landsat")] == [21, 19, 7]


def test_unknown_colour_says_where_and_which():
    picture = get_palette("isprs").decode(np.zeros((5, 6), np.uint8))
    picture[2, 3] = (255, 204, 0)
    picture[4, 4] = (1, 2, 3)
    with pytest.raises(
        InputError, match=r"2 pixels.*isprs.*\(255, 204, 0\) at row 2, column 3.*car \(255, 255, 0\)"
    ):
        get_palette("isprs").encode(picture)
    labels = get_palette("isprs").encode(picture, unknown=0)
    assert labels.tolist() == np.zeros((5, 6)).tolist()


def test_padding_of_another_tool_is_not_taken_for_a_class():
    # 6,0,0 is what padding a mask picture with the number 6 leaves, in either order of channels
    for colour in ((6, 0, 0), (0, 0, 6)):
        with pytest.raises(InputError, match="does not have"):
            get_palette("isprs").encode(np.full((2, 2, 3), colour, np.uint8))


def test_wrong_arrays_and_names():
    with pytest.raises(InputError, match="uint8 RGB"):
        get_palette("voc").encode(np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match="hold 21; voc has 0 to 20"):
        get_palette("voc").decode(np.full((2, 2), 21))
    with pytest.raises(UsageError, match="no palette 'pascal'; there are isprs"):
        get_palette("pascal")
    with pytest.raises(UsageError, match="same colour"):
        Palette(name="x", classes=("a", "b"), colours=((1, 1, 1), (1, 1, 1)))
