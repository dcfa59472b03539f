"""The patch tool: where padding goes and what it counts as, and that no pixel is lost, doubled or moved."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vitrail.errors import InputError, UsageError
from vitrail_cmunet import splits
from vitrail_cmunet.data.layouts import patch_folder
from vitrail_cmunet.patching import CAR, PatchOptions, cut_tile, training_patches, write_patches
from vitrail_segmentation.palettes import IGNORE
from vitrail_segmentation.reading import read_class_labels, read_image


def numbered(height, width):
    labels = np.arange(height * width).reshape(height, width)
    return labels[..., None].repeat(3, axis=2), labels


@given(st.integers(1, 130), st.integers(1, 130), st.sampled_from([32, 64]))
@settings(max_examples=60)
def test_patches_hold_every_pixel_once_and_padding_is_ignored(height, width, patch):
    image, labels = numbered(height, width)
    labels = labels + 1000
    patches = [part for _, part in cut_tile(image, labels, patch, patch)]
    assert {part.shape for part in patches} == {(patch, patch)}
    assert len(patches) == -(-height // patch) * -(-width // patch)
    seen = np.concatenate([part.ravel() for part in patches])
    assert sorted(seen[seen != IGNORE]) == list(range(1000, 1000 + height * width))


@given(st.integers(33, 64), st.integers(33, 64))
@settings(max_examples=30)
def test_where_the_padding_is(height, width):
    image, labels = np.ones((height, width, 3), np.uint8), np.ones((height, width), np.uint8)
    ours, ours_labels = next(cut_tile(image, labels, 64, 64))
    assert (ours_labels[:height, :width] == 1).all()
    assert (ours_labels == IGNORE).sum() == 64 * 64 - height * width
    assert ours[..., 0].sum() == height * width
    theirs, their_labels = next(cut_tile(image, labels, 64, 64, padding_compat=True))
    assert (their_labels[-height:, -width:] == 1).all()
    assert (their_labels == 0).sum() == 64 * 64 - height * width  # impervious surface, and scored
    assert not (their_labels == IGNORE).any()
    assert (theirs[-height:, -width:] == 1).all()


def test_an_average_vaihingen_tile_is_45_percent_padding_the_published_way():
    labels = np.ones((2494, 2064), np.uint8)
    patches = [part for _, part in cut_tile(labels[..., None], labels, 1024, 1024, padding_compat=True)]
    assert len(patches) == 9
    assert np.mean([(part == 0).mean() for part in patches]) == pytest.approx(0.45, abs=0.005)


def test_overlapping_stride():
    image, labels = numbered(96, 64)
    patches = [part for _, part in cut_tile(image, labels, 64, 32)]
    assert len(patches) == 3  # the canvas is 128 x 64
    np.testing.assert_array_equal(patches[1], labels[32:96])


def test_training_patches_are_stored_mirrored():
    image, labels = numbered(64, 64)
    options = PatchOptions(patch=64)
    patches = list(training_patches(image, labels, options, 64, 1.0, np.random.default_rng(0)))
    assert len(patches) == 3
    for (patch, patch_labels), expected in zip(patches, [labels, labels[:, ::-1], labels[::-1]], strict=True):
        np.testing.assert_array_equal(patch_labels, expected)
        np.testing.assert_array_equal(patch[..., 0], expected)
    options = PatchOptions(patch=64, flips=False)
    assert len(list(training_patches(image, labels, options, 64, 1.0, np.random.default_rng(0)))) == 1


def test_car_crops_replace_the_patch_unless_it_is_kept():
    cars = np.full((64, 64), CAR, np.uint8)
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)

    def cut(labels, **more):
        options = PatchOptions(patch=64, flips=False, **more)
        return list(training_patches(image, labels, options, 64, 0.1, np.random.default_rng(0)))

    crops = cut(cars)
    assert len(crops) == 4
    original, upside_down, mirrored, turned = (crop for crop, _ in crops)
    np.testing.assert_array_equal(upside_down, original[::-1])
    np.testing.assert_array_equal(mirrored, original[:, ::-1])
    np.testing.assert_array_equal(turned, np.rot90(original))
    assert original.shape == image.shape
    assert not np.array_equal(original, image)
    assert len(cut(cars, keep_patch=True)) == 5
    few = np.zeros((64, 64), np.uint8)
    few[:4, :4] = CAR
    (only,) = cut(few)
    np.testing.assert_array_equal(only[0], image)


def test_vaihingen_from_download_to_patches(make, tmp_path):
    ids = [*splits.VAIHINGEN.train, *splits.VAIHINGEN.validation, *splits.VAIHINGEN.test]
    root = make.vaihingen(tmp_path / "download", ids)
    options = PatchOptions(patch=64, train_stride=32, car_share=0.4)
    counts = write_patches("vaihingen", root, tmp_path / "out", options=options)
    # 100 x 70 becomes 128 x 128: 2 x 2 patches, or 3 x 3 with half the stride, three times
    assert counts["validation"] == 4
    assert counts["test"] == 17 * 4
    assert counts["train"] >= 15 * 9 * 3
    assert (counts["train"] - 15 * 9 * 3) % 3 == 0  # every car crop adds three
    for part, count in counts.items():
        pairs = patch_folder(tmp_path / "out" / part)
        assert len(pairs) == count
        record = json.loads((tmp_path / "out" / part / "patches.json").read_text())
        assert record["patches"] == count
        assert record["tiles"] == [f"top_mosaic_09cm_area{i}" for i in getattr(splits.VAIHINGEN, part)]
    eroded = {pair.name: pair for pair in patch_folder(tmp_path / "out" / "test")}[
        "top_mosaic_09cm_area2_0000"
    ]
    image, labels = make.tiles["top_mosaic_09cm_area2"]
    read = read_class_labels(eroded.labels, 6)
    np.testing.assert_array_equal(read_image(eroded.image), image[:64, :64])
    assert (read == IGNORE).any()
    np.testing.assert_array_equal(read[read != IGNORE], labels[:64, :64][read != IGNORE])
    whole = read_class_labels(patch_folder(tmp_path / "out" / "validation")[0].labels, 6)
    np.testing.assert_array_equal(whole, make.tiles["top_mosaic_09cm_area30"][1][:64, :64])


def test_patches_are_the_same_every_time(make, tmp_path):
    ids = [*splits.POTSDAM.train, *splits.POTSDAM.validation]
    root = make.potsdam(tmp_path / "download", ids, size=(64, 64))
    options = PatchOptions(patch=32, car_share=0.1, train_stride=32)
    for out in ("a", "b"):
        write_patches("potsdam", root, tmp_path / out, parts=("train",), options=options)
    first, second = (patch_folder(tmp_path / out / "train") for out in ("a", "b"))
    assert [p.name for p in first] == [p.name for p in second]
    assert all(a.image.read_bytes() == b.image.read_bytes() for a, b in zip(first, second, strict=True))


def test_nothing_half_written_is_left(make, tmp_path):
    root = make.potsdam(tmp_path / "download", splits.POTSDAM.train, size=(64, 64))
    last = root / "5_Labels_all" / "top_potsdam_7_12_label.tif"
    last.write_bytes(last.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"top_potsdam_7_12_label.tif is damaged"):
        write_patches("potsdam", root, tmp_path / "out", parts=("train",), options=PatchOptions(patch=32))
    assert list((tmp_path / "out").iterdir()) == []
    last.unlink()
    with pytest.raises(InputError, match=r"no top_potsdam_7_12_label.tif"):
        write_patches("potsdam", root, tmp_path / "out", parts=("train",), options=PatchOptions(patch=32))


def test_sizes_that_differ_and_folders_that_exist(make, tmp_path):
    root = make.potsdam(tmp_path / "download", ["2_10"], size=(64, 64))
    Image.fromarray(np.full((64, 60, 3), 255, np.uint8)).save(
        root / "5_Labels_all" / "top_potsdam_2_10_label.tif"
    )
    with pytest.raises(
        InputError, match=r"top_potsdam_2_10_label.tif is 64x60 and top_potsdam_2_10_RGB.tif is 64x64"
    ):
        write_patches(
            "potsdam", root, tmp_path / "out", parts=("validation",), options=PatchOptions(patch=32)
        )
    (tmp_path / "out" / "test").mkdir(parents=True)
    with pytest.raises(UsageError, match="exists already"):
        write_patches("potsdam", root, tmp_path / "out", options=PatchOptions(patch=32))


def test_options_are_checked():
    with pytest.raises(UsageError, match="multiple of 32"):
        PatchOptions(patch=100)
    with pytest.raises(UsageError, match="train_stride"):
        PatchOptions(train_stride=0)
