"""Samples from files: shapes, determinism, and what is wrong with a file is said."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vitrail.errors import InputError
from vitrail_cmunet import presets, splits
from vitrail_cmunet.data.layouts import patch_folder
from vitrail_cmunet.data.opening import open_cases, open_training_data
from vitrail_cmunet.data.patch_set import PatchSet, open_patches
from vitrail_cmunet.patching import PatchOptions, write_patches
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.network_config import IMAGENET_MEAN, IMAGENET_STD
from vitrail_segmentation.palettes import IGNORE


@pytest.fixture
def patches(make, tmp_path):
    root = make.potsdam(tmp_path / "download", [*splits.POTSDAM.train[:3], "2_10", *splits.POTSDAM.train[3:]])
    options = PatchOptions(patch=64, flips=False)
    write_patches("potsdam", root, tmp_path / "patches", parts=("train", "validation"), options=options)
    return tmp_path / "patches"


def open_train(patches, **augment):
    chosen = AugmentConfig(**{"crop": 32, **augment})
    return open_patches(
        "potsdam", patches, "train", classes=6, mean=IMAGENET_MEAN, std=IMAGENET_STD, augment=chosen
    )


def test_samples(patches):
    data = open_train(patches, mosaic=0.5, jitter=0.1, noise=0.05)
    assert len(data) == 22 * 4
    for index in range(12):
        sample = data.sample(index, np.random.default_rng(index))
        assert sample["image"].shape == (3, 32, 32)
        assert sample["image"].dtype == np.float32
        assert sample["labels"].shape == (32, 32)
        assert set(np.unique(sample["labels"])) <= {0, 1, 2, 3, 4, 5, IGNORE}
        again = data.sample(index, np.random.default_rng(index))
        np.testing.assert_array_equal(sample["image"], again["image"])
        np.testing.assert_array_equal(sample["labels"], again["labels"])


def test_image_and_labels_agree_after_everything(patches):
    """The made pictures show each class in its own grey, so labels can be read off the normalised image."""
    data = open_train(patches, mosaic=0.5, scales=(1.0,), turns="all")
    for index in range(10):
        sample = data.sample(index, np.random.default_rng(100 + index))
        grey = (sample["image"][0] * IMAGENET_STD[0] + IMAGENET_MEAN[0] - 20) / 30
        known = sample["labels"] != IGNORE
        assert known.any()
        assert (np.rint(grey[known]) == sample["labels"][known]).all()


def test_class_counts(patches):
    data = open_train(patches)
    by_hand = sum(np.bincount(c.labels[c.labels != IGNORE], minlength=6) for c in data.cases())
    assert data.class_counts() == by_hand.tolist()
    assert by_hand.sum() == 22 * 96 * 96  # every pixel of the tiles and no padding


def test_cases_can_be_shared(patches):
    data = open_train(patches)
    names = [case.name for start in range(3) for case in data.cases(start, 3)]
    assert sorted(names) == sorted(pair.name for pair in data.pairs)


def test_published_way_evaluates_on_test(patches, make, tmp_path):
    with pytest.raises(InputError, match=r"test does not exist.*vitrail cmunet patches potsdam"):
        open_patches("potsdam", patches, "validation", classes=6, published=True)
    assert len(open_patches("potsdam", patches, "validation", classes=6)) == 4


def test_patches_of_another_data_set_are_refused(patches):
    with pytest.raises(InputError, match="holds patches of potsdam; wanted are those of vaihingen"):
        open_patches("vaihingen", patches, "train", classes=6)
    record = patches / "train" / "patches.json"
    record.write_text("{")
    with pytest.raises(InputError, match=r"patches.json cannot be read"):
        open_patches("potsdam", patches, "train", classes=6)
    record.write_text(json.dumps({"dataset": "potsdam"}))
    open_patches("potsdam", patches, "train", classes=6)


def test_a_bad_file_is_named(patches):
    pair = patch_folder(patches / "train")[0]
    data = PatchSet([pair], classes=6)
    Image.fromarray(np.zeros((60, 64), np.uint8)).save(pair.labels)
    with pytest.raises(InputError, match=rf"{pair.name}.png is 60x64"):
        data.case(0)
    pair.image.write_bytes(pair.image.read_bytes()[:100])
    with pytest.raises(InputError, match=rf"{pair.name}.png is damaged"):
        data.sample(0, np.random.default_rng(0))
    with pytest.raises(InputError, match="no images"):
        PatchSet([], classes=6)


def test_loveda_is_read_as_it_is_downloaded(make, tmp_path):
    root = make.loveda(tmp_path)
    preset = presets.loveda()
    config = replace(preset.data, root=str(root))
    data = open_training_data(config, replace(preset.augment, crop=32), preset.model)
    assert (len(data.train), len(data.validation)) == (21, 3)
    sample = data.train.sample(5, np.random.default_rng(5))
    assert sample["image"].shape == (3, 32, 32)
    assert set(np.unique(sample["labels"])) <= {*range(7), IGNORE}
    test = open_cases(config, "test", preset.model)
    assert len(test) == 24
    assert all((case.labels[:4, :4] == IGNORE).all() for case in test.cases())
    published = open_training_data(replace(config, published=True), preset.augment, preset.model)
    assert (len(published.train), len(published.validation)) == (24, 24)
