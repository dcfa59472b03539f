"""`vitrail prcl split`: the files that it writes."""

import json

import pytest

from vitrail.errors import UsageError
from vitrail_prcl.cli import app
from vitrail_prcl.data.lists import open_list

NAMES = [f"{k:02}" for k in range(24)]


def run(*words):
    app([str(word) for word in words], exit_on_error=False, print_error=False)


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def folder(make):
    """Class 0 everywhere, class 1 in every fourth image, class 2 in two, class 3 in none of the masks."""
    for k, name in enumerate(NAMES):
        make.picture(f"images/{name}.jpg")
        make.mask(f"masks/{name}.png", [[0] * 8, [k % 4 == 0] * 8, [2 * (k in (5, 6))] * 8])
    make.text("classes.txt", "ground\nwater\nroad\nsnow\n")
    return make.root


def test_the_files(folder, tmp_path, capsys):
    run("split", folder, "--labels", 6, "--validation", 4, "--seed", 2, "-o", tmp_path / "s")
    assert sorted(files(tmp_path / "s")) == ["labeled.txt", "split.json", "unlabeled.txt", "val.txt"]
    record = json.loads((tmp_path / "s" / "split.json").read_text())
    assert record["images"] == {"labelled": 6, "unlabelled": 14, "validation": 4}
    assert (record["seed"], record["missing"], record["skipped"]) == (2, [], {})
    assert record["classes"]["ground"]["images"] == {"labelled": 6, "unlabelled": 14, "validation": 4}
    assert record["classes"]["road"]["pixels"]["labelled"] > 0
    assert record["classes"]["snow"]["images"] == {"labelled": 0, "unlabelled": 0, "validation": 0}
    told = capsys.readouterr()
    assert "Wrote" in told.err
    assert "6 labelled, 14 unlabelled, 4 validation images" in told.err
    assert "labelled pixels" in told.out


def test_the_lists_can_be_read(folder, tmp_path):
    run("split", folder, "--labels", "25%", "-o", tmp_path / "s")
    assert not (tmp_path / "s" / "val.txt").exists()
    labelled = open_list(folder, tmp_path / "s" / "labeled.txt")
    rest = open_list(folder, tmp_path / "s" / "unlabeled.txt", labelled=False)
    assert (len(labelled), len(rest)) == (6, 18)
    assert sorted(item.image.stem for item in (*labelled.items, *rest.items)) == NAMES
    pixels = sum(labelled.class_pixels(k) for k in range(6))
    record = json.loads((tmp_path / "s" / "split.json").read_text())
    assert pixels.tolist() == [held["pixels"]["labelled"] for held in record["classes"].values()]
    assert rest.read(0)[1] is None
    text = (tmp_path / "s" / "labeled.txt").read_text()
    assert all(
        line.split(" ") == [f"images/{(n := line[7:9])}.jpg", f"masks/{n}.png"] for line in text.splitlines()
    )


def test_the_same_seed_gives_the_same_files(folder, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run("split", folder, "--labels", 5, "--validation", "1/6", "--seed", seed, "-o", tmp_path / name)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


def test_several_amounts_are_nested(folder, tmp_path, capsys):
    run("split", folder, "--labels", 4, "--labels", 8, "-o", tmp_path / "s", "--json")
    records = json.loads(capsys.readouterr().out)
    assert [record["images"]["labelled"] for record in records] == [4, 8]
    few, many = ((tmp_path / "s" / n / "labeled.txt").read_text().splitlines() for n in ("4", "8"))
    assert many[:4] == few
    with pytest.raises(UsageError, match="labels asks twice for 6, 6 images; give each number once"):
        run("split", folder, "--labels", 6, "--labels", "1/4", "-o", tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_images_without_a_mask_are_unlabelled_and_unreadable_ones_are_named(folder, make, tmp_path, capsys):
    (folder / "masks/01.png").unlink()
    (folder / "images/02.jpg").unlink()
    make.cut("masks/03.png", 30)
    run("split", folder, "--labels", 3, "-o", tmp_path / "s")
    assert (tmp_path / "s" / "unlabeled.txt").read_text().splitlines()[-1] == "images/01.jpg"
    skipped = json.loads((tmp_path / "s" / "split.json").read_text())["skipped"]
    assert sorted(skipped) == ["02", "03"]
    assert "03.png is damaged" in skipped["03"]
    told = " ".join(capsys.readouterr().err.split())
    assert "2 images are in no list, the first of them 02" in told
    assert "3 labelled, 19 unlabelled images" in told


def test_classes_that_no_labelled_image_holds_are_named(folder, tmp_path, capsys):
    run("split", folder, "--labels", 1, "-o", tmp_path / "s")
    assert "No labelled image holds water; more labels would." in " ".join(capsys.readouterr().err.split())


def test_lists_of_voc_and_cityscapes(make, tmp_path):
    make.voc([f"{k}" for k in range(9)])
    source = make.text("train.txt", "\n".join(map(str, range(9))))
    run("split", make.root, "--list", source, "--labels", "1/3", "-o", tmp_path / "voc")
    record = json.loads((tmp_path / "voc" / "split.json").read_text())
    assert record["images"]["labelled"] == 3
    assert len(record["classes"]) == 21
    line = (tmp_path / "voc" / "labeled.txt").read_text().splitlines()[0]
    assert line == f"JPEGImages/{line[11]}.jpg SegmentationClass/{line[11]}.png"


def test_masks_in_colour(make, tmp_path):
    for k in range(4):
        make.picture(f"images/{k}.png")
        make._save(black_and_red(k), f"masks/{k}.png")
    run("split", make.root, "--labels", 2, "--palette", "voc", "-o", tmp_path / "s")
    record = json.loads((tmp_path / "s" / "split.json").read_text())
    assert record["classes"]["aeroplane"]["images"]["labelled"] >= 1
    with pytest.raises(
        UsageError, match=r"no mask of .* can be read. The first of them: .*0.png is in colour"
    ):
        run("split", make.root, "--labels", 2, "-o", tmp_path / "t")


def black_and_red(k):
    from PIL import Image

    return Image.new("RGB", (16, 12), (128, 0, 0) if k % 2 else (0, 0, 0))


def test_a_folder_in_use_is_left_alone(folder, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists already and is not an empty folder"):
        run("split", folder, "--labels", 3, "-o", tmp_path / "s")
    assert files(tmp_path / "s") == {"mine.txt": b"mine"}


def test_nothing_to_split(make, tmp_path):
    make.folder(["a"])
    make.text("classes.txt", "x\ny\nz")
    make.cut("masks/a.png", 30)
    with pytest.raises(
        UsageError, match=r"there is no labelled image to split. The first reason: .*a.png is damaged"
    ):
        run("split", make.root, "--labels", 1, "-o", tmp_path / "s")
