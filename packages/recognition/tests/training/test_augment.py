"""What is done to training crops, each thing alone and all by chance."""

from __future__ import annotations

import numpy as np
import pytest

from vitrail_recognition.augment import augment
from vitrail_recognition.readers.folder import FolderFaces
from vitrail_recognition.training_data import TrainingFaces, normalise


@pytest.fixture
def image():
    """Bright, and different everywhere."""
    across = np.linspace(60, 200, 112)
    planes = [
        across[None] + 0 * across[:, None],
        across[:, None] + 0 * across[None],
        np.full((112, 112), 90.0),
    ]
    noise = np.random.default_rng(0).normal(0, 8, (112, 112, 3))
    return np.clip(np.stack(planes, axis=2) + noise, 1, 255).astype(np.uint8)


class Decided:
    """A generator whose first three numbers say which changes are made; the others are those of a real one."""

    def __init__(self, cut: bool, small: bool, light: bool, seed: int) -> None:
        self.first = np.where([cut, small, light], 0.0, 1.0)
        self.rng = np.random.default_rng(seed)

    def __getattr__(self, name):
        return getattr(self.rng, name)

    def random(self, size=None):
        first, self.first = self.first, None
        return first if first is not None else self.rng.random(size)


def test_what_stays_of_a_cut_is_one_rectangle_in_its_place(image):
    shares = []
    for seed in range(40):
        found = augment(image, 0.5, Decided(True, False, False, seed))
        assert found.shape == image.shape
        kept = (found > 0).all(axis=2)
        rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
        assert kept[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        np.testing.assert_array_equal(found[kept], image[kept])
        assert not found[~kept].any()
        shares.append(kept.mean())
    assert min(shares) >= 0.19
    assert max(shares) > 0.8
    assert min(shares) < 0.35


def test_lost_pixels_are_details(image):
    errors = []
    for seed in range(30):
        found = augment(image, 0.5, Decided(False, True, False, seed))
        assert (found.shape, found.dtype) == (image.shape, np.uint8)
        blocks = [each.astype(float).reshape(4, 28, 4, 28, 3).mean((1, 3)) for each in (found, image)]
        assert np.abs(blocks[0] - blocks[1]).max() < 8, "what is large stays"
        errors.append(np.abs(found.astype(float) - image).mean())
    assert np.median(errors) > 3, "what is small does not"


def test_light_and_colours_change_for_all_pixels_alike(image):
    grey, means = [], []
    for seed in range(60):
        found = augment(image, 0.5, Decided(False, False, True, seed)).astype(float)
        means.append(found.mean() / image.mean())
        grey.append(np.ptp(found.mean((0, 1))) / np.ptp(image.astype(float).mean((0, 1))))
    assert 0.4 < min(means) < 0.7
    assert 1.3 < max(means) < 1.6
    assert min(grey) < 0.2, "faded nearly to grey"
    assert max(grey) > 1.2


def test_each_comes_as_often_as_is_said(image):
    rng = np.random.default_rng(0)
    changed = [not np.array_equal(augment(image, 0.2, rng), image) for _ in range(600)]
    assert np.mean(changed) == pytest.approx(1 - 0.8**3, abs=0.06)
    assert augment(image, 0.0, rng) is image


def test_training_samples_are_changed_as_the_generator_says(image, tmp_path):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(image).save(tmp_path / name / "0.png")
    faces = FolderFaces(tmp_path)
    plain, data = TrainingFaces(faces, flip=0.0), TrainingFaces(faces, flip=0.0, augment=0.3)
    found = [data.sample(0, np.random.default_rng(seed))["image"] for seed in range(40)]
    again = data.sample(0, np.random.default_rng(4))["image"]
    np.testing.assert_array_equal(found[4], again)
    same = [np.array_equal(each, normalise(image)) for each in found]
    assert 0 < sum(same) < 30
    np.testing.assert_array_equal(plain.sample(0, np.random.default_rng(0))["image"], normalise(image))
