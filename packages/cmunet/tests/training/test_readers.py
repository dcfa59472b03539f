"""Readers on folders in the real layouts, and on folders with something missing."""

import numpy as np
import pytest

from vitrail.errors import InputError, UsageError
from vitrail_cmunet.config import ISPRS, LOVEDA
from vitrail_cmunet.data.layouts import loveda_images, patch_folder, potsdam_tiles, vaihingen_tiles
from vitrail_segmentation.palettes import IGNORE
from vitrail_segmentation.reading import read_class_labels, read_colour_labels, read_image


def test_vaihingen(make, tmp_path):
    root = make.vaihingen(tmp_path, ["1", "11", "30"])
    for pair in vaihingen_tiles(root, ["1", "11"]):
        image, labels = make.tiles[pair.name]
        np.testing.assert_array_equal(read_image(pair.image), image)
        np.testing.assert_array_equal(read_colour_labels(pair.labels, ISPRS), labels)
    (pair,) = vaihingen_tiles(root, ["30"], eroded=True)
    read, (_, labels) = read_colour_labels(pair.labels, ISPRS), make.tiles[pair.name]
    assert 0 < (read == IGNORE).mean() < 0.5
    np.testing.assert_array_equal(read[read != IGNORE], labels[read != IGNORE])


def test_potsdam(make, tmp_path):
    root = make.potsdam(tmp_path, ["2_10", "6_7"])
    rgb, infrared = potsdam_tiles(root, ["6_7"])[0], potsdam_tiles(root, ["6_7"], imagery="irrg")[0]
    image, labels = make.tiles["top_potsdam_6_7"]
    np.testing.assert_array_equal(read_image(rgb.image), image)
    np.testing.assert_array_equal(read_image(infrared.image), image[..., ::-1])
    np.testing.assert_array_equal(read_colour_labels(rgb.labels, ISPRS), labels)
    assert (
        potsdam_tiles(root, ["2_10"], eroded=True)[0].labels.name == "top_potsdam_2_10_label_noBoundary.tif"
    )
    with pytest.raises(UsageError, match="rgb or irrg"):
        potsdam_tiles(root, ["2_10"], imagery="dsm")


def test_loveda(make, tmp_path):
    root = make.loveda(tmp_path)
    train, held_out, test = (loveda_images(root, part) for part in ("train", "validation", "test"))
    assert [len(part) for part in (train, held_out, test)] == [21, 3, 24]
    assert not {pair.image for pair in train} & {pair.image for pair in held_out}
    assert {pair.image.parts[-4] for pair in train + held_out} == {"Train"}
    assert {pair.image.parts[-4] for pair in test} == {"Val"}
    assert len({pair.name for pair in train + held_out + test}) == 48
    for pair in train[:3]:
        image, labels = make.tiles[f"Train-{pair.name}"]
        read = read_class_labels(pair.labels, len(LOVEDA.classes), first=1, nodata=0)
        assert (read[:4, :4] == IGNORE).all()
        np.testing.assert_array_equal(read[4:], labels[4:])
        np.testing.assert_array_equal(read_image(pair.image), image)


def test_loveda_published_way_trains_on_all_and_chooses_by_val(make, tmp_path):
    root = make.loveda(tmp_path)
    assert len(loveda_images(root, "train", published=True)) == 24
    assert loveda_images(root, "validation", published=True) == loveda_images(root, "test")


@pytest.mark.parametrize(
    ("folder", "complaint"),
    [("top", "'top'.*its image"), ("gts_for_participants", "'gts'.*its labels")],
)
def test_a_missing_tile_is_named(make, tmp_path, folder, complaint):
    root = make.vaihingen(tmp_path, ["1", "3"])
    (root / folder / "top_mosaic_09cm_area1.tif").unlink()
    with pytest.raises(InputError, match=rf"no top_mosaic_09cm_area1\.tif.*{complaint}"):
        vaihingen_tiles(root, ["1"])
    vaihingen_tiles(root, ["3"])


def test_missing_and_empty_folders(make, tmp_path):
    with pytest.raises(InputError, match=r"holds no .tif file"):
        potsdam_tiles(tmp_path, ["2_10"])
    with pytest.raises(InputError, match=r"nowhere is not a folder"):
        vaihingen_tiles(tmp_path / "nowhere", ["1"])
    with pytest.raises(InputError, match=r"images_png is not a folder"):
        loveda_images(tmp_path, "train")
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match=r"images is empty"):
        patch_folder(tmp_path)
    root = make.loveda(tmp_path / "loveda")
    (root / "Val" / "Rural" / "masks_png" / "37.png").unlink()
    with pytest.raises(InputError, match=r"masks_png/37.png does not exist"):
        loveda_images(root, "test")
