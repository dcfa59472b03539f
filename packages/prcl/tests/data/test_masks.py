"""Masks of every kind that is read, and sentences about the others."""

import numpy as np
import pytest
from PIL import Image

from vitrail.errors import InputError, UsageError
from vitrail_prcl.data.masks import MaskReader, find_classes, named_palette, read_classes
from vitrail_segmentation.palettes import IGNORE, get_palette

VOC = get_palette("voc")


@pytest.mark.parametrize("mode", ["L", "P"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_class_numbers(make, mode, suffix):
    values = make.mask(f"m.{suffix}", [[0, 1, 2], [255, 2, 0]], mode=mode)
    np.testing.assert_array_equal(MaskReader(3)(make.root / f"m.{suffix}"), values)


def test_a_tiff_of_wide_integers_with_nodata(make):
    values = np.array([[0, 1], [-1, 255]], np.int16)
    path = make.raster("m.tif", values[..., None], nodata=-1)
    np.testing.assert_array_equal(MaskReader(2)(path), [[0, 1], [IGNORE, IGNORE]])


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_colours_need_a_palette(make, suffix):
    labels = np.array([[0, 1, 20], [IGNORE, 5, 0]])
    path = make.root / f"m.{suffix}"
    path.parent.mkdir()
    Image.fromarray(VOC.decode(labels)).save(path)
    np.testing.assert_array_equal(MaskReader(21, VOC)(path), labels)
    with pytest.raises(
        InputError, match=rf"m.{suffix} is in colour; wanted are class numbers.*isprs, loveda, voc"
    ):
        MaskReader(21)(path)
    with pytest.raises(
        InputError, match=rf"m.{suffix}: The label picture holds .* that the palette isprs does not"
    ):
        MaskReader(6, get_palette("isprs"))(path)


def test_masks_that_cannot_be_used(make):
    make.mask("high.png", [[0, 7]])
    with pytest.raises(InputError, match=r"high.png has the value 7; wanted are classes 0 to 2, and 255"):
        MaskReader(3)(make.root / "high.png")
    high = make.raster("high.tif", np.array([[[0], [300]]], np.uint16))
    with pytest.raises(InputError, match=r"high.tif has the value 300; wanted are classes 0 to 2"):
        MaskReader(3)(high)
    floats = make.raster("floats.tif", np.zeros((3, 3, 1), np.float32))
    with pytest.raises(InputError, match=r"floats.tif: .*wanted are labels: one band of integers"):
        MaskReader(3)(floats)
    Image.fromarray(np.zeros((3, 3), np.uint16)).save(make.root / "deep.png")
    with pytest.raises(
        InputError, match=r"deep.png is a picture of mode I;16; wanted are class numbers, 8 bits"
    ):
        MaskReader(3)(make.root / "deep.png")
    make.cut("high.png", 30)
    with pytest.raises(InputError, match=r"high.png is damaged or no picture"):
        MaskReader(3)(make.root / "high.png")
    make.cut("high.tif", 30)
    with pytest.raises(InputError, match=r"high.tif cannot be read"):
        MaskReader(3)(make.root / "high.tif")


def test_classes_from_a_file(make):
    make.text("classes.txt", "\ufeffroad\n\n  water \n")
    assert read_classes(make.root).classes == ("road", "water")
    assert read_classes(make.root.parent) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("road\n", r"classes.txt: there are 1 classes \(road\); wanted are 2 to 255"),
        ("a\nb\na\n", r"classes.txt: two classes are called 'a'"),
        ("\n".join(map(str, range(256))), "there are 256 classes"),
    ],
)
def test_class_files_that_cannot_be_used(make, text, complaint):
    make.text("classes.txt", text)
    with pytest.raises(UsageError, match=complaint):
        read_classes(make.root)


def test_a_class_file_that_is_no_text(make):
    make.text("classes.txt", "").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(UsageError, match=r"classes.txt cannot be read .*wanted is text, a class a line"):
        read_classes(make.root)


def test_any_number_of_classes_has_distinct_colours():
    assert len(set(named_palette([str(k) for k in range(255)]).colours)) == 255


def test_classes_are_counted_from_the_masks(make):
    make.mask("a.png", [[0, 255]])
    make.mask("b.png", [[3, 1]])
    make.mask("broken.png")
    make.cut("broken.png")
    masks = sorted(make.root.iterdir())
    assert find_classes(masks, make.root).classes == ("class 0", "class 1", "class 2", "class 3")


def test_masks_that_name_no_two_classes(make):
    make.mask("a.png", [[0, 255]])
    masks = [make.root / "a.png"]
    with pytest.raises(UsageError, match=r"nothing but class 0 and 255, and 255 means no label.*classes.txt"):
        find_classes(masks, make.root)
    make.mask("a.png", [[255, 255]])
    with pytest.raises(UsageError, match=r"nothing but 255, and 255 means no label"):
        find_classes(masks, make.root)
    make.picture("a.png")
    with pytest.raises(
        UsageError, match=r"no mask of .*A can be read. The first of them: .*a.png is in colour"
    ):
        find_classes(masks, make.root)
