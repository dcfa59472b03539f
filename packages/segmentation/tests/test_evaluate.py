from __future__ import annotations

import numpy as np
import pytest

from vitrail.errors import InputError
from vitrail_segmentation.evaluate import evaluate_raster
from vitrail_segmentation.geotiff import write_labels

CLASSES = ("a", "b", "c")
PALETTE = np.array([(1, 1, 1), (2, 2, 2), (3, 3, 3)], np.uint8)


@pytest.fixture
def pair(rng):
    truth, guess = rng.integers(0, 3, (2, 1100, 40)).astype(np.uint8)
    truth[:5], guess[3:9] = 255, 255
    return truth, guess


def test_files_and_arrays_give_the_same_counts(tmp_path, pair):
    truth, guess = pair
    files = [
        write_labels(tmp_path / f"{name}.tif", labels, classes=CLASSES, palette=PALETTE)
        for name, labels in (("truth", truth), ("guess", guess))
    ]
    expected = np.zeros((3, 4), int)
    for i in range(3):
        for column, j in enumerate((0, 1, 2, 255)):
            expected[i, column] = ((truth == i) & (guess == j)).sum()
    for prediction, known in ((guess, truth), (files[1], files[0]), (str(files[1]), truth)):
        np.testing.assert_array_equal(evaluate_raster(prediction, known, classes=CLASSES).counts, expected)


def test_nodata_of_other_tools_is_ignored(make_raster):
    truth = make_raster(np.array([[[0], [1], [-9]]], np.int16), nodata=-9)
    assert evaluate_raster(np.array([[0, 0, 0]]), truth, classes=CLASSES).counts.sum() == 2


def test_labels_may_be_stored_as_floats(make_raster, recwarn):
    truth = make_raster(np.array([[[0], [1], [np.nan], [-99999]]], np.float32), nodata=-99999)
    assert evaluate_raster(np.array([[0, 1, 0, 0]]), truth, classes=CLASSES).counts.tolist()[1] == [
        0,
        1,
        0,
        0,
    ]
    assert not recwarn.list
    half = make_raster(np.full((1, 1, 1), 0.5, np.float32), "half.tif")
    with pytest.raises(InputError, match=r"half.tif holds 0.5; wanted are whole numbers"):
        evaluate_raster(np.zeros((1, 1), int), half, classes=CLASSES)


def test_wrong_input(make_raster, pair):
    with pytest.raises(InputError, match="1100 x 40 and the array 1100 x 39 pixels"):
        evaluate_raster(pair[0], pair[1][:, 1:], classes=CLASSES)
    with pytest.raises(InputError, match="has 3 bands; wanted are labels"):
        evaluate_raster(make_raster(np.zeros((4, 4, 3), np.uint8)), pair[1], classes=CLASSES)
    with pytest.raises(InputError, match="does not exist"):
        evaluate_raster("none.tif", pair[1], classes=CLASSES)
    with pytest.raises(InputError, match="wanted is"):
        evaluate_raster(pair[0][None], pair[1][None], classes=CLASSES)
