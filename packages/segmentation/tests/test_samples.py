"""From pixels to samples: normalising, turning, and what augmentation settings may be."""

import numpy as np
import pytest

from vitrail.errors import UsageError
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.network_config import IMAGENET_MEAN, IMAGENET_STD
from vitrail_segmentation.samples import as_sample, normalise, turn


def test_normalise_is_imagenet_by_band():
    white = np.full((2, 2, 3), 255, np.uint8)
    expected = (1 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(normalise(white, IMAGENET_MEAN, IMAGENET_STD)[0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize(("turns", "count"), [("none", 1), ("horizontal", 2), ("rotate90", 4), ("all", 8)])
def test_turns(turns, count):
    labels = np.arange(9).reshape(3, 3)
    augment = AugmentConfig(turns=turns)
    seen = {
        turn(labels[..., None], labels, augment, np.random.default_rng(s))[1].tobytes() for s in range(200)
    }
    assert len(seen) == count


def test_a_sample_has_its_bands_first():
    sample = as_sample(np.zeros((4, 5, 3), np.float32), np.ones((4, 5), np.uint8))
    assert (sample["image"].shape, sample["labels"].shape) == ((3, 4, 5), (4, 5))
    assert (sample["image"].dtype, sample["labels"].dtype) == (np.float32, np.int64)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"crop": 100}, "crop is 100; wanted is a multiple of 32"),
        ({"mosaic": 1.5}, "mosaic is 1.5; wanted is a probability from 0 to 1"),
        ({"balance": -0.1}, "balance is -0.1"),
        ({"scales": (1.0, 0.0)}, r"scales is \(1.0, 0.0\); wanted are factors above 0"),
        ({"jitter": -1}, "jitter is -1; wanted is at least 0"),
        ({"noise": float("nan")}, "noise is nan; wanted is at least 0"),
        ({"tries": 0}, "tries is 0; wanted is at least 1"),
        ({"turns": "up"}, "turns is 'up'; wanted is one of rotate90, horizontal, all, none"),
    ],
)
def test_wrong_settings_are_refused(changes, complaint):
    with pytest.raises(UsageError, match=complaint):
        AugmentConfig(**changes)
