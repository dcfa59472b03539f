"""A person's own folders."""

import numpy as np
import pytest

from vitrail.errors import InputError, UsageError
from vitrail_prcl.data.folders import labelled_folder, unlabelled_folder
from vitrail_segmentation.palettes import get_palette


def test_a_labelled_folder(make):
    first = make.picture("images/north/2.png")
    make.picture("images/1.jpeg")
    make.mask("masks/1.tif")
    labels = make.mask("masks/north/2.png", mode="P")
    pictures = labelled_folder(make.root)
    assert [item.name for item in pictures.items] == ["1", "north/2"]
    assert pictures.classes == ("class 0", "class 1", "class 2")
    image, known = pictures.read(1)
    np.testing.assert_array_equal(image, first)
    np.testing.assert_array_equal(known, labels)
    assert pictures.class_pixels(1).tolist() == np.bincount(labels.ravel(), minlength=3).tolist()


def test_the_other_name_of_the_masks_and_named_classes(make):
    make.picture("images/a.jpg")
    make.mask("labels/a.png")
    make.text("classes.txt", "sky\nsea\nland\nsnow\n")
    assert labelled_folder(make.root).classes == ("sky", "sea", "land", "snow")
    assert labelled_folder(make.root, palette=get_palette("loveda")).classes[0] == "background"


def test_a_class_above_those_that_are_named(make):
    make.folder()
    make.text("classes.txt", "sky\nsea\n")
    with pytest.raises(InputError, match=r"a.png has the value 2; wanted are classes 0 to 1, and 255"):
        labelled_folder(make.root).read(0)


def test_many_bands(make, rng):
    pixels = rng.integers(0, 4000, (12, 16, 6), dtype=np.uint16)
    make.raster("images/a.tif", pixels)
    make.mask("masks/a.png")
    np.testing.assert_array_equal(labelled_folder(make.root).read(0)[0], pixels)


def test_files_without_their_counterpart_are_left_to_whoever_reads(make):
    make.folder()
    (make.root / "masks/a.png").unlink()
    (make.root / "images/b.jpg").unlink()
    pictures = labelled_folder(make.root)
    assert len(pictures) == 3
    with pytest.raises(InputError, match=r"a.jpg has no mask; wanted is .*masks/a.png. Add it, or move"):
        pictures.read(0)
    with pytest.raises(
        InputError, match=r"b.png has no image; wanted is .*images/b.*. Add the image, or remove"
    ):
        pictures.read(1)
    pictures.read(2)


def test_another_size_and_damage_are_named(make):
    make.folder()
    make.mask("masks/a.png", size=(12, 15))
    make.cut("images/b.jpg", 200)
    pictures = labelled_folder(make.root)
    with pytest.raises(InputError, match=r"a.png is 12x15 and a.jpg is 12x16 pixels"):
        pictures.read(0)
    with pytest.raises(InputError, match=r"b.jpg is (damaged|not a picture)"):
        pictures.read(1)


def test_what_is_wrong_with_the_whole(make):
    make.root.mkdir()
    with pytest.raises(
        UsageError, match=r"A has no folder images; wanted are .*images with pictures and .*masks"
    ):
        labelled_folder(make.root)
    (make.root / "images").mkdir()
    with pytest.raises(UsageError, match=r"A has no folder masks or labels; wanted is a mask for each image"):
        labelled_folder(make.root)
    make.mask("masks/a_mask.png")
    with pytest.raises(UsageError, match=r"images holds no picture; wanted are .png, .jpg"):
        labelled_folder(make.root)
    make.picture("images/a.jpg")
    with pytest.raises(
        UsageError, match=r"none of the 1 images .*a.jpg, for instance, wants .*masks/a.png or .tif"
    ):
        labelled_folder(make.root)
    make.mask("labels/a.png")
    with pytest.raises(UsageError, match=r"A has both masks and labels; keep the one"):
        labelled_folder(make.root)


def test_two_files_of_one_name(make):
    make.folder()
    make.picture("images/a.png")
    with pytest.raises(UsageError, match=r"a.jpg and a.png have the same name. Rename one"):
        labelled_folder(make.root)


def test_an_unlabelled_folder_holds_pictures_at_any_depth(make):
    for path in ("b/2.jpg", "a.PNG", ".hidden/3.jpg", "b/.4.jpg"):
        make.picture(path)
    make.text("b/notes.txt", "no picture")
    pictures = unlabelled_folder(make.root)
    assert [item.name for item in pictures.items] == ["a", "b/2"]
    assert pictures.read(0)[1] is None
    assert pictures.classes == ()
    assert pictures.class_pixels(0).tolist() == []


def test_masks_are_not_taken_for_unlabelled_images(make):
    pictures = unlabelled_folder(make.folder())
    assert {item.image.suffix for item in pictures.items} == {".jpg"}


def test_unlabelled_folders_that_cannot_be_used(make):
    with pytest.raises(UsageError, match=r"A is not a folder; wanted is a folder with pictures"):
        unlabelled_folder(make.root)
    make.root.mkdir()
    with pytest.raises(UsageError, match=r"A holds no picture; wanted are .*, at any depth"):
        unlabelled_folder(make.root)
