"""Lists in both formats, of VOC, Cityscapes and folders of one's own."""

import os
from pathlib import Path

import numpy as np
import pytest

from vitrail.errors import InputError, UsageError
from vitrail_prcl.data.cityscapes import LABEL_IDS_OF_CLASSES
from vitrail_prcl.data.lists import format_line, open_list, read_list
from vitrail_segmentation.palettes import IGNORE, get_palette

EXAMPLES = os.environ.get("LABELME_EXAMPLES", "")


def test_voc_ids(make):
    make.voc()
    aug = make.mask("SegmentationClassAug/2007_000039.png")
    pictures = open_list(
        make.root, make.text("train.txt", "2007_000039\n2007_000032")
    )  # no newline at the end
    assert [item.name for item in pictures.items] == ["2007_000039", "2007_000032"]
    assert pictures.classes == get_palette("voc").classes
    np.testing.assert_array_equal(pictures.read(0)[1], aug)
    assert pictures.items[1].mask.parent.name == "SegmentationClass"
    assert pictures.read(1)[0].shape == (12, 16, 3)


def test_paths_of_images_and_masks(make):
    make.voc()
    lines = "JPEGImages/2007_000032.jpg SegmentationClass/2007_000032.png\r\n\n2007_000039\n"
    pictures = open_list(make.root, make.text("train.txt", lines))
    assert [item.name for item in pictures.items] == ["JPEGImages/2007_000032", "2007_000039"]
    assert pictures.read(0)[1].shape == (12, 16)


def test_unlabelled_lists_need_no_masks_and_use_none(make):
    make.voc()
    lines = "JPEGImages/2007_000032.jpg\nJPEGImages/2007_000039.jpg gone.png\n2007_000032"
    source = make.text("unlabeled.txt", lines)
    pictures = open_list(make.root, source, labelled=False)
    assert [pictures.read(k)[1] for k in range(3)] == [None] * 3
    with pytest.raises(
        UsageError, match=r"line 1 of .*unlabeled.txt names JPEGImages/2007_000032.jpg without a mask"
    ):
        open_list(make.root, source)


def test_a_folder_of_ones_own(make):
    make.folder(["a", "b c"])
    source = make.text("l.txt", "images/a.jpg masks/a.png\nimages/b c.jpg\tmasks/b c.png\n")
    pictures = open_list(make.root, source)
    assert pictures.classes == ("class 0", "class 1", "class 2")
    assert pictures.items[1].name == "images/b c"
    make.text("classes.txt", "x\ny\nz")
    assert open_list(make.root, source).classes == ("x", "y", "z")
    assert open_list(make.root, source, palette=get_palette("voc")).classes[0] == "background"


def test_cityscapes_label_ids_become_classes(make):
    make.cityscapes()
    source = make.text("train.txt", "aachen_000013_000019_leftImg8bit\nlindau_000000_000019")
    pictures = open_list(make.root, source)
    assert len(pictures.classes) == 19
    assert pictures.items[1].image.parts[-3] == "val"
    ids = np.arange(12 * 16).reshape(12, 16) % 34
    expected = np.full(ids.shape, IGNORE)
    for k, number in enumerate(LABEL_IDS_OF_CLASSES):
        expected[ids == number] = k
    for index in range(2):
        np.testing.assert_array_equal(pictures.read(index)[1], expected)


def test_cityscapes_masks_of_training_classes_go_before(make):
    make.cityscapes()
    stem = "train/aachen/aachen_000013_000019"
    line = f"leftImg8bit/{stem}_leftImg8bit.png gtFine/{stem}_gtFine_labelTrainIds.png"
    source = make.text("train.txt", line)
    assert open_list(make.root, source).items[0].mask.name.endswith("_labelIds.png")
    labels = make.mask(f"gtFine/{stem}_gtFine_labelTrainIds.png", np.full((12, 16), 18))
    pictures = open_list(make.root, source)
    np.testing.assert_array_equal(pictures.read(0)[1], labels)
    make.mask(f"gtFine/{stem}_gtFine_labelTrainIds.png", np.full((12, 16), 19))
    with pytest.raises(InputError, match=r"labelTrainIds.png has the value 19; wanted are classes 0 to 18"):
        pictures.read(0)


@pytest.mark.parametrize(
    "line",
    [
        "munich_000001_000019_leftImg8bit",
        "leftImg8bit/val/munich/munich_1_leftImg8bit.png gtFine/val/munich/m.png",
    ],
)
def test_cities_of_the_test_split_have_no_labels(make, line):
    make.cityscapes()
    source = make.text("valid_filename.txt", f"berlin_000000_000019_leftImg8bit\n{line}")
    with pytest.raises(
        UsageError,
        match=r"names images of berlin, munich: cities of the Cityscapes test split.*use the 500 images",
    ):
        open_list(make.root, source)


def test_images_of_the_test_split_can_be_used_without_labels(make):
    make.picture("leftImg8bit/test/bonn/bonn_000000_000019_leftImg8bit.png")
    source = make.text("unlabeled.txt", "bonn_000000_000019_leftImg8bit")
    assert open_list(make.root, source, labelled=False).read(0)[1] is None


def test_lists_that_cannot_be_used(make):
    make.folder()
    with pytest.raises(UsageError, match=r"gone is not a folder; wanted is the folder that .*l.txt is about"):
        open_list(make.root / "gone", make.root / "l.txt")
    with pytest.raises(UsageError, match=r"l.txt cannot be read .*wanted is a text file of images"):
        open_list(make.root, make.root / "l.txt")
    source = make.text("l.txt", "\n\n")
    with pytest.raises(UsageError, match=r"l.txt is empty; wanted is an image a line"):
        open_list(make.root, source)
    source = make.text("l.txt", "images/a b.jpg masks/a b.png")
    with pytest.raises(UsageError, match=r"line 1 of .*l.txt has 4 parts; wanted is an id.*Put a tab"):
        open_list(make.root, source)
    source = make.text("l.txt", "a")
    with pytest.raises(
        UsageError, match=r"line 1 of .*l.txt is the id a, and .*A has neither JPEGImages \(VOC\)"
    ):
        open_list(make.root, source)
    source = make.text("l.txt", "images/x.jpg masks/x.png\nimages/y.jpg masks/y.png")
    with pytest.raises(
        UsageError, match=r"names 2 images and none of them is there; the first would be .*x.jpg"
    ):
        open_list(make.root, source)


def test_files_that_are_missing_are_named_when_they_are_read(make):
    make.voc(["1", "2"])
    (make.root / "SegmentationClass/2.png").unlink()
    pictures = open_list(make.root, make.text("l.txt", "1\n2\n3"))
    pictures.read(0)
    with pytest.raises(InputError, match=r"2.jpg has no mask; wanted is .*SegmentationClass/2.png"):
        pictures.read(1)
    with pytest.raises(InputError, match=r"3.png has no image; wanted is .*JPEGImages/3.jpg"):
        pictures.read(2)


@pytest.mark.parametrize("pair", [("a.jpg", ""), ("a b.jpg", ""), ("a.jpg", "m.png"), ("a b.jpg", "m.png")])
def test_a_line_is_read_as_it_was_written(tmp_path, pair):
    path = tmp_path / "l.txt"
    path.write_text(format_line(*pair) + "\n")
    (line,) = read_list(path)
    assert (line.image, line.mask) == pair
    assert not line.is_id


def test_names_that_no_line_can_hold():
    with pytest.raises(UsageError, match="has a tab or a line break in its name; rename it"):
        format_line("a\tb.jpg")


@pytest.mark.skipif(
    not EXAMPLES, reason="LABELME_EXAMPLES is not set: the folder `examples` of labelme's source distribution"
)
def test_three_real_images_of_voc(tmp_path):
    root = Path(EXAMPLES) / "semantic_segmentation" / "data_dataset_voc"
    ids = sorted(path.stem for path in (root / "JPEGImages").iterdir())
    source = tmp_path / "train.txt"
    source.write_text("\n".join(ids))
    pictures = open_list(root, source)
    assert len(pictures) == 3
    for index in range(3):
        image, labels = pictures.read(index)
        assert image.shape[:2] == labels.shape
        assert 2 <= (pictures.class_pixels(index) > 0).sum() <= 5
