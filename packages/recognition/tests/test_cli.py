"""The verbs, as a person types them, over the fake recogniser."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from vitrail_recognition.recognizers import load_recognizer
from vitrail_recognition.testing import make_people
from vitrail_recognition.verification.calibration import Calibration, Point, weights_hash


def crop(seed: int, noise: int = 0) -> np.ndarray:
    """A person is a seed; noise makes another photograph of them."""
    patches = np.random.default_rng(seed).integers(40, 216, (7, 7, 3))
    patches = patches + np.random.default_rng(noise).integers(-25, 26, (7, 7, 3))
    return patches.repeat(16, axis=0).repeat(16, axis=1).astype(np.uint8)


@pytest.fixture
def crops(tmp_path, fakes):
    """Paths of aligned crops: a1 and a2 of one person, b of another."""
    paths = {}
    for name, pixels in (("a1", crop(1)), ("a2", crop(1, 5)), ("b", crop(2))):
        paths[name] = tmp_path / f"{name}.png"
        Image.fromarray(pixels).save(paths[name])
    return paths


@pytest.fixture
def calibration(tmp_path, fakes):
    path = tmp_path / "calibration.json"
    Calibration(
        data="a made-up set",
        recogniser="fake/recognizer",
        weights_hash=weights_hash(load_recognizer("fake/recognizer")),
        genuine=50,
        impostors=20_000,
        points=(Point(far=0.01, cosine=0.5, tar=0.98), Point(far=0.001, cosine=0.8, tar=0.9)),
    ).save(path)
    return path


@pytest.fixture
def portrait(astronaut, tmp_path, fakes):
    Image.fromarray(astronaut).save(tmp_path / "portrait.png")
    return tmp_path / "portrait.png"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Pictures without a name are written to the current folder."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


# compare -----------------------------------------------------------------------------------------------------


def test_compare_without_calibration(vitrail, crops):
    code, out, err = vitrail("compare", crops["a1"], crops["a2"], "--aligned")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("similarity 0.9")
    assert lines[1].startswith("verdict    none: no calibration was given.")
    assert "vitrail eval" in lines[1]
    assert err == "The recogniser is fake/recognizer; --model takes another.\nWrote comparison.png.\n"
    assert Image.open("comparison.png").width == 1200


def test_compare_with_calibration(vitrail, crops, calibration):
    code, out, err = vitrail(
        "compare",
        crops["a1"],
        crops["a2"],
        "--aligned",
        "--calibration",
        calibration,
        "-m",
        "fake/recognizer",
    )
    assert code == 0
    assert "verdict    the same person: cosine 0.9" in out
    assert "one in 1,000 pairs of strangers" in out
    assert err == "Wrote comparison.png.\n"
    code, out, _ = vitrail(
        "compare", crops["a1"], crops["b"], "--aligned", "--calibration", calibration, "--far", 0.01
    )
    assert code == 0
    assert "verdict    not the same person" in out


def test_compare_draws_and_prints_json(vitrail, crops, calibration, tmp_path):
    code, out, err = vitrail(
        "compare", crops["a1"], crops["b"], "--aligned", "--json",
        "-o", tmp_path / "out.png", "--calibration", calibration,
    )  # fmt: skip
    assert code == 0
    record = json.loads(out)
    assert record["verdict"]["same"] is False
    assert record["verdict"]["threshold"] == 0.8
    assert record["first"]["photo"] == str(crops["a1"])
    assert f"Wrote {tmp_path / 'out.png'}." in err
    assert np.asarray(Image.open(tmp_path / "out.png")).shape[1] == 1200


def test_no_picture(vitrail, crops, tmp_path):
    assert vitrail("compare", crops["a1"], crops["b"], "--aligned", "--no-picture")[0] == 0
    assert vitrail("compare", crops["a1"], crops["b"], "--aligned", "--json")[0] == 0
    assert list((tmp_path / "cwd").iterdir()) == []


def test_the_answer_is_printed_where_the_picture_cannot_be_written(vitrail, crops, tmp_path):
    (tmp_path / "folder.png").mkdir()
    code, out, err = vitrail("compare", crops["a1"], crops["b"], "--aligned", "-o", tmp_path / "folder.png")
    assert code == 2
    assert out.startswith("similarity")
    assert "is a folder" in err


def test_demo_weights_give_no_verdict_and_say_why(vitrail, crops, calibration, monkeypatch):
    from vitrail_recognition import recognizers

    words = "demo weights, not calibrated on real faces"
    monkeypatch.setattr(recognizers, "weights_caveat", lambda spec, weights=None: words)
    code, out, _ = vitrail("compare", crops["a1"], crops["a2"], "--aligned", "--calibration", calibration)
    assert code == 0
    assert out.splitlines()[0].startswith("similarity 0.9")
    assert out.splitlines()[1] == f"verdict    none: {words}."


def test_compare_real_photographs(vitrail, portrait, group, tmp_path):
    Image.fromarray(group).save(tmp_path / "group.jpg")
    code, out, err = vitrail("compare", portrait, tmp_path / "group.jpg", "-o", tmp_path / "out.jpg")
    assert code == 0
    assert out.startswith("similarity ")
    assert f"6 faces were found in {tmp_path / 'group.jpg'}; the largest was taken" in err
    assert (tmp_path / "out.jpg").is_file()


def test_compare_says_what_is_wrong(vitrail, crops, calibration, portrait, tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    wall = tmp_path / "wall.png"
    Image.new("RGB", (90, 80), "grey").save(wall)
    a, b = crops["a1"], crops["b"]
    for words, wanted in (
        ((a, tmp_path / "none.jpg"), "does not exist"),
        ((a, text), "is not a picture"),
        ((wall, portrait), "No face was found in"),
        ((portrait, portrait, "--face2", 2), "Face 2 of"),
        ((a, b, "-o", "out.txt"), "wanted is a name that ends in .png"),
        ((a, b, "--far", 0.1), "give its file with --calibration"),
        ((a, b, "--calibration", calibration, "--far", 1e-6), "has no false-accept rate of 1e-06"),
        ((a, b, "--calibration", tmp_path / "none.json"), "does not exist"),
        ((a, b, "-m", "fake/segmenter"), "is a segmenter; wanted is a recognizer"),
        ((a, b, "-m", "fake/other"), "fake/recognizer"),
        ((a, portrait, "--aligned"), "it is 512x512 pixels"),
        ((a,), ""),
    ):
        code, out, err = vitrail("compare", *words)
        assert code == 2, words
        assert out == ""
        assert err.startswith("error:")
        assert wanted in err
        assert "Traceback" not in err


def test_no_recogniser_is_exit_3(vitrail, crops, use):
    from importlib.metadata import EntryPoint

    use(EntryPoint(name="recognition", value="vitrail_recognition.plugin", group="vitrail.plugins"))
    code, _, err = vitrail("compare", crops["a1"], crops["b"], "--aligned")
    assert code == 3
    assert "No recogniser with weights is on this machine" in err


def test_broken_weights_of_a_detector_are_exit_4(vitrail, crops, tmp_path, portrait):
    pytest.importorskip("insightface")
    (tmp_path / "x.onnx").write_text("no network")
    code, _, err = vitrail(
        "compare", portrait, portrait, "--detector", "scrfd", "--detector-weights", tmp_path / "x.onnx"
    )
    assert code == 4
    assert "cannot be read as ONNX" in err


# embed -------------------------------------------------------------------------------------------------------


def test_embed(vitrail, crops, tmp_path):
    code, out, err = vitrail("embed", *crops.values(), "--aligned", "-o", tmp_path / "v.npy")
    assert code == 0
    vectors = np.load(tmp_path / "v.npy")
    expected = load_recognizer("fake/recognizer").embed([np.asarray(Image.open(p)) for p in crops.values()])
    np.testing.assert_allclose(vectors, expected.vectors, atol=1e-6)
    assert [line.split()[0] for line in out.splitlines()[-4:-1]] == ["0", "1", "2"]
    assert "3 vectors of 147" in err


def test_embed_json_has_the_vectors_where_no_file_has_them(vitrail, crops, tmp_path):
    code, out, _ = vitrail("embed", crops["a1"], "--aligned", "--json")
    record = json.loads(out)
    assert code == 0
    assert record["recognizer"] == "fake/recognizer"
    assert len(record["faces"][0]["vector"]) == record["dimension"] == 147
    _, out, _ = vitrail("embed", crops["a1"], "--aligned", "--json", "-o", tmp_path / "v.npy")
    assert "vector" not in json.loads(out)["faces"][0]


def test_embed_every_face(vitrail, group, tmp_path, fakes):
    Image.fromarray(group).save(tmp_path / "group.png")
    code, out, _ = vitrail("embed", tmp_path / "group.png", "--all-faces", "--json")
    assert code == 0
    assert [face["face"] for face in json.loads(out)["faces"]] == [1, 2, 3, 4, 5, 6]


def test_embed_goes_on_after_a_bad_photograph(vitrail, crops, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"")
    code, _, err = vitrail("embed", crops["a1"], bad, crops["b"], "--aligned", "-o", tmp_path / "v.npy")
    assert code == 2
    assert np.load(tmp_path / "v.npy").shape == (2, 147)
    assert "1 of 3 photographs could not be used" in err


def test_embed_wants_somewhere_to_put_them(vitrail, crops):
    assert vitrail("embed", crops["a1"])[0] == 2
    code, _, err = vitrail("embed", crops["a1"], "-o", "vectors.txt")
    assert code == 2
    assert "ends in .npy" in err


# gallery and identify ----------------------------------------------------------------------------------------


@pytest.fixture
def people(tmp_path, fakes):
    folder = tmp_path / "people"
    for person in (1, 2, 3):
        (folder / f"person{person}").mkdir(parents=True)
        Image.fromarray(crop(person, 9)).save(folder / f"person{person}" / "1.png")
    (folder / "broken.jpg").write_bytes(b"x")
    return folder


def test_gallery_build_and_info(vitrail, people, tmp_path):
    out_file = tmp_path / "g"
    code, out, err = vitrail("gallery", "build", people, "-o", out_file, "--aligned")
    assert code == 0
    assert out.startswith(f"{out_file}: 3 people in 3 photographs; 4 embedded now, 0 kept, 0 removed.")
    assert "broken.jpg is not in the gallery: " in err
    code, out, _ = vitrail("gallery", "build", people, "-o", out_file, "--aligned", "--json")
    record = json.loads(out)
    assert (code, record["embedded"], record["kept"], record["people"]) == (0, 0, 4, 3)
    code, out, _ = vitrail("gallery", "info", out_file)
    assert code == 0
    assert "fake/recognizer" in out
    assert "person2" in out
    record = json.loads(vitrail("gallery", "info", out_file, "--json")[1])
    assert record["recognizer"] == "fake/recognizer"
    assert len(record["photographs"]) == 4


def test_identify(vitrail, people, crops, calibration, tmp_path):
    pytest.importorskip("faiss")
    gallery = tmp_path / "g"
    vitrail("gallery", "build", people, "-o", gallery, "--aligned")
    code, out, err = vitrail("identify", crops["a1"], "-g", gallery, "--aligned", "--top", 2)
    assert code == 0
    rows = [line.split() for line in out.splitlines() if line.startswith("1 ")]
    assert [row[1] for row in rows] == ["1", "2"]
    assert rows[0][2] == "person1"
    assert rows[0][4] == "-"
    assert Image.open("identification.png").width == 1200
    assert "No verdict: no calibration was given" in err
    code, out, err = vitrail(
        "identify", crops["a1"], "--gallery", gallery, "--aligned", "--calibration", calibration, "--json",
        "-o", tmp_path / "who.png",
    )  # fmt: skip
    assert code == 0
    matches = json.loads(out)["faces"][0]["matches"]
    assert [match["accepted"] for match in matches] == [True, False, False]
    assert (tmp_path / "who.png").is_file()


def test_identify_says_what_is_wrong(vitrail, people, crops, portrait, tmp_path):
    pytest.importorskip("faiss")
    gallery = tmp_path / "g"
    assert vitrail("identify", crops["a1"], "-g", gallery)[0] == 2
    vitrail("gallery", "build", people, "-o", gallery, "--aligned")
    assert vitrail("identify", portrait, "-g", gallery, "--aligned")[0] == 2
    assert vitrail("identify", crops["a1"], "-g", gallery, "--aligned", "--top", 0)[0] == 2
    gallery.write_bytes(b"no gallery")
    code, out, err = vitrail("identify", crops["a1"], "-g", gallery, "--aligned")
    assert (code, out) == (4, "")
    assert "Build it again" in err


def test_gallery_errors(vitrail, tmp_path, fakes):
    assert vitrail("gallery", "info", tmp_path / "none")[0] == 2
    code, _, err = vitrail("gallery", "build", tmp_path / "none", "-o", tmp_path / "g")
    assert code == 2
    assert "is no folder" in err


# the plugin --------------------------------------------------------------------------------------------------


def test_any_recogniser_is_measured(vitrail, tmp_path, fakes):
    """The fake one names no evaluator; this kit's measures it."""
    people = make_people(tmp_path / "people", identities=3, each=3)
    code, out, said = vitrail("eval", "fake/recognizer", "--data", people, "--json")
    assert code == 0, said
    assert json.loads(out)["pairs"]["people"]["genuine"] == 9


def test_help_of_every_verb(vitrail, fakes):
    for verb in ("embed", "compare", "identify", "gallery"):
        code, out, _ = vitrail(verb, "--help")
        assert code == 0
        assert f"Usage: vitrail {verb}" in out
    for command in ("build", "info"):
        assert vitrail("gallery", command, "--help")[0] == 0


def test_doctor_lines(fakes):
    from vitrail import manager

    record = manager.current().record("recognition")
    lines = list(manager.Manager.call(record, "vitrail_doctor"))
    assert all(line.level in ("ok", "note") for line in lines)
    assert any("mtcnn" in line.text for line in lines)


def test_the_plugin_and_the_package_import_nothing_heavy():
    code = (
        "import sys, vitrail_recognition, vitrail_recognition.plugin as p; list(p.vitrail_commands());"
        "print(sorted({'torch', 'numpy', 'PIL', 'faiss', 'rich', 'insightface'} & set(sys.modules)))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_public_name_is_there():
    import vitrail_recognition

    for name in vitrail_recognition.__all__:
        assert getattr(vitrail_recognition, name).__name__
    with pytest.raises(AttributeError):
        _ = vitrail_recognition.nothing
