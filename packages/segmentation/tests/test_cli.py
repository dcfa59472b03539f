"""The verb `vitrail segment`, as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from vitrail.cli.main import run
from vitrail_segmentation import cli


@pytest.fixture
def segment(monkeypatch, greenness, capsys):
    """segment(arguments) -> exit code, stdout, stderr; the model is the third party's."""
    asked = []

    def load(model, weights, device):
        asked.append((model, weights, device))
        return greenness

    monkeypatch.setattr(cli, "load_segmenter", load)

    def call(*arguments, model=True):
        words = ["segment", *map(str, arguments), *(["--model", "greenness/rgb"] if model else [])]
        code = run(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    call.asked = asked
    return call


@pytest.fixture
def scene(make_raster, rng):
    return make_raster(rng.integers(0, 255, (70, 90, 3)).astype(np.uint8))


@pytest.fixture
def photo(tmp_path, rng):
    Image.fromarray(rng.integers(0, 255, (40, 60, 3)).astype(np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_table_on_stdout_and_talk_on_stderr(segment, scene, tmp_path):
    code, out, err = segment(scene, "-o", tmp_path / "out.tif", "--tile", 32)
    assert code == 0
    assert "class" in out
    assert "hectares" in out
    for name in ("green", "blue", "other"):
        assert name in out
    assert err.startswith(f"Wrote {tmp_path / 'out.tif'}. 90 x 70 pixels in ")
    assert segment.asked == [("greenness/rgb", None, None)]


def test_json(segment, scene, tmp_path, read_back):
    code, out, _ = segment(
        scene, "-o", tmp_path / "out.tif", "--json", "--vector", tmp_path / "p.geojson", "--bands", "3,2,1",
        "--weights", "folder", "--device", "cpu", "--overlap", "0.5", "--batch", "2",
    )  # fmt: skip
    assert code == 0
    (result,) = json.loads(out)
    assert result["output"] == str(tmp_path / "out.tif")
    counts = np.bincount(read_back(tmp_path / "out.tif").ravel(), minlength=3)
    assert [entry["pixels"] for entry in result["classes"]] == counts.tolist()
    assert result["polygons"] == len(json.loads((tmp_path / "p.geojson").read_text())["features"])
    assert segment.asked == [("greenness/rgb", "folder", "cpu")]


def test_bands_reach_the_model(segment, scene, tmp_path, read_back):
    for bands in ("1,2,3", "3,2,1"):
        assert segment(scene, "-o", tmp_path / f"{bands}.tif", "--bands", bands)[0] == 0
    assert (read_back(tmp_path / "1,2,3.tif") != read_back(tmp_path / "3,2,1.tif")).any()


def test_pictures_get_an_overlay_beside_the_labels(segment, photo, tmp_path):
    assert segment(photo, "-o", tmp_path / "labels.png")[0] == 0
    assert sorted(os.listdir(tmp_path)) == ["labels.png", "labels_overlay.png", "photo.png"]
    assert segment(photo, "-o", tmp_path / "labels.tif", "--overlay", tmp_path / "mine.jpg")[0] == 0
    assert {"mine.jpg", "labels.tif"} <= set(os.listdir(tmp_path))
    assert "labels_overlay.tif" not in os.listdir(tmp_path)


def test_several_inputs_go_into_a_folder(segment, scene, photo, tmp_path):
    code, out, _ = segment(scene, photo, "-o", tmp_path / "all", "--json")
    assert code == 0
    assert sorted(os.listdir(tmp_path / "all")) == ["photo.png", "photo_overlay.png", "scene.tif"]
    assert [entry["width"] for entry in json.loads(out)] == [90, 60]
    assert segment(scene, photo, "-o", tmp_path / "pngs", "--format", "png")[0] == 0
    assert sorted(os.listdir(tmp_path / "pngs")) == ["photo.png", "photo_overlay.png", "scene.png"]


def test_a_damaged_one_among_several_is_named_and_the_others_are_done(segment, scene, photo, tmp_path):
    bad = tmp_path / "bad.tif"
    bad.write_bytes(scene.read_bytes()[:300])
    code, out, err = segment(bad, scene, "-o", tmp_path / "all")
    assert code == 2
    assert os.listdir(tmp_path / "all") == ["scene.tif"]
    assert "bad.tif" in err
    assert err.strip().endswith("1 of 2 inputs could not be segmented.")
    assert "green" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.tif", "-o", "out.tif"], "none.tif does not exist"),
        (["scene.tif", "-o", "out.tif", "--bands", "1,b"], "--bands is '1,b'; wanted are numbers"),
        (["scene.tif", "-o", "out.tif", "--tile", "0"], "--tile is 0"),
        (["scene.tif", "-o", "out.bmp"], "labels are written as .tif or .png"),
        (["scene.tif", "photo.png", "-o", "out.tif"], "out.tif should be a folder"),
        (
            ["scene.tif", "photo.png", "-o", "all", "--vector", "x.gpkg"],
            "--vector names one file, and 2 inputs",
        ),
        (["scene.tif", "scene.tif", "-o", "all"], "Two inputs would both be written to all/scene.tif"),
        (["scene.tif", "-o", "out.tif", "--format", "bmp"], "gtiff"),
        (["scene.tif"], "--out"),
    ],
)
def test_mistakes_get_one_sentence_and_code_2(segment, scene, photo, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, out, err = segment(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert said in err
    assert len(err.splitlines()) == 1
    assert sorted(os.listdir(tmp_path)) == ["photo.png", "scene.tif"]


def test_model_is_wanted(segment, scene, tmp_path):
    code, _, err = segment(scene, "-o", tmp_path / "out.tif", model=False)
    assert code == 2
    assert "--model" in err


def test_unknown_and_wrong_models(scene, tmp_path, capsys, monkeypatch):
    from types import SimpleNamespace

    from vitrail import loading

    assert run(["segment", str(scene), "-o", str(tmp_path / "out.tif"), "-m", "nonesuch/at-all"]) == 2
    assert "nonesuch" in capsys.readouterr().err
    monkeypatch.setattr(loading, "find_component", lambda id: SimpleNamespace(kind="recognizer"))
    assert run(["segment", str(scene), "-o", str(tmp_path / "out.tif"), "-m", "faces/all"]) == 2
    assert "faces/all is a recognizer; `vitrail segment` wants a segmenter." in capsys.readouterr().err


def test_help_names_every_flag(capsys):
    assert run(["segment", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: vitrail segment INPUT... -o OUT --model ID")
    for flag in ("--weights", "--device", "--tile", "--overlap", "--batch", "--bands", "--format", "--vector",
                 "--overlay", "--no-resume", "--json"):  # fmt: skip
        assert flag in text


def test_fingerprint_changes_with_the_files(tmp_path, greenness, monkeypatch):
    spec = greenness.spec
    (tmp_path / "config.json").write_text("{}")
    before = cli.fingerprint(str(tmp_path), spec)
    assert before == cli.fingerprint(str(tmp_path), spec)
    (tmp_path / "config.json").write_text('{"a": 1}')
    after = cli.fingerprint(str(tmp_path), spec)
    assert after != before
    assert cli.fingerprint(None, spec) == ""
    assert cli.fingerprint("random", spec) == "random"
    monkeypatch.setattr("vitrail.loading.default_weights", lambda spec: tmp_path)
    assert cli.fingerprint(None, spec) == after


LIGHT = """
import sys
import vitrail_segmentation, vitrail_segmentation.plugin
heavy = {"numpy", "rasterio", "torch", "PIL", "rich"} & set(sys.modules)
assert not heavy, heavy
assert vitrail_segmentation.plugin.vitrail_commands()["segment"][0] == "vitrail_segmentation.cli:app"
from vitrail_segmentation import *
import vitrail_segmentation.cli, vitrail_segmentation.render
assert "torch" not in sys.modules
assert segment_scene and ConfusionMatrix
try:
    vitrail_segmentation.nonesuch
except AttributeError:
    print("done")
"""


def test_importing_the_package_is_light_and_never_needs_torch():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, timeout=60)
    assert done.stdout == "done\n", done.stderr


def test_doctor_speaks_of_gdal_and_polygons():
    from vitrail_segmentation.plugin import vitrail_doctor

    lines = vitrail_doctor()
    assert "GDAL" in lines[0].text
    assert "GeoJSON" in lines[-1].text
