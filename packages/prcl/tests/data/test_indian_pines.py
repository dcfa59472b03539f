"""Indian Pines, from made files and, where tensorly is there, the real ones."""

import numpy as np
import pytest

from vitrail.errors import BrokenError, NotInstalledError
from vitrail_prcl.data import indian_pines
from vitrail_prcl.data.indian_pines import IMAGE, LABELS, find_indian_pines, load_indian_pines
from vitrail_segmentation.palettes import IGNORE


@pytest.fixture
def files(tmp_path, rng):
    image = np.zeros((145, 145, 200), np.uint16)
    image[..., 7] = rng.integers(0, 9000, (145, 145))
    truth = rng.integers(0, 17, (145, 145), dtype=np.uint8)
    np.save(tmp_path / IMAGE, image)
    np.save(tmp_path / LABELS, truth)
    return tmp_path, image, truth


def test_a_scene(files):
    folder, image, truth = files
    scene = load_indian_pines(folder)
    assert (len(scene.palette.classes), len(scene.bands)) == (16, 200)
    np.testing.assert_array_equal(scene.image[..., 7], image[..., 7])
    assert (scene.labels[truth == 0] == IGNORE).all()
    np.testing.assert_array_equal(scene.labels[truth > 0], truth[truth > 0] - 1)


def test_files_that_are_not_the_known_ones(files):
    folder, _, truth = files
    np.save(folder / LABELS, truth + 1)
    with pytest.raises(
        BrokenError, match=r"gt.npy holds 1 to 17; wanted are 0 to 16. Install tensorly again"
    ):
        load_indian_pines(folder)
    np.save(folder / LABELS, truth[1:])
    with pytest.raises(BrokenError, match=r"gt.npy is \(144, 145\); wanted is \(145, 145\)"):
        load_indian_pines(folder)
    (folder / IMAGE).write_bytes(b"no array")
    with pytest.raises(BrokenError, match=r"corrected.npy cannot be read"):
        load_indian_pines(folder)


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(indian_pines, "find_spec", lambda name: None)
    with pytest.raises(NotInstalledError, match="pip install --no-deps tensorly"):
        load_indian_pines()


@pytest.mark.skipif(
    find_indian_pines() is None, reason="tensorly is not installed: pip install --no-deps tensorly"
)
def test_the_scene_is_the_one_that_is_known():
    scene = load_indian_pines()
    assert (scene.image.min(), scene.image.max()) == (955, 9604)
    assert scene.class_counts() == [
        46, 1428, 830, 237, 483, 730, 28, 478, 20, 972, 2455, 593, 205, 1265, 386, 93
    ]  # fmt: skip
