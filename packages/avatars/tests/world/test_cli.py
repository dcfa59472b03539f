"""`vitrail avatars` as it is typed."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from vitrail.errors import UsageError
from vitrail.results import Audio
from vitrail_avatars.arkit import ARKIT
from vitrail_avatars.cli import app

SPEAKS = pytest.mark.skipif(
    shutil.which("flite") is None or shutil.which("espeak-ng") is None,
    reason="speech needs: apt-get install flite espeak-ng libespeak-ng1",
)


def run(*words):
    return app([*map(str, words)], exit_on_error=False)


def test_sheet(tmp_path, capsys):
    run("sheet", "-o", tmp_path / "sheet.png", "--people", 3, "--size", 32, "--columns", 2)
    page = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert page.shape == (64, 64, 3)
    assert (page[32:, 32:] == 255).all(), "the place of a fourth is empty"
    assert "3 pictures of 3 people" in capsys.readouterr().err


def test_render(tmp_path, capsys):
    run(
        "render",
        4,
        "-o",
        tmp_path / "a.png",
        "--size",
        64,
        "--emotion",
        "happy",
        "--yaw",
        40,
        "--gender",
        "female",
        "--json",
    )
    record = json.loads(capsys.readouterr().out)
    assert "woman" in record["person"] or "girl" in record["person"]
    assert "happy face, turned to the right" in record["caption"]
    assert np.array(record["landmarks_68"]).shape == (68, 2)
    plain = np.asarray(Image.open(tmp_path / "a.png"))
    run(
        "render",
        4,
        "-o",
        tmp_path / "b.png",
        "--size",
        64,
        "--emotion",
        "happy",
        "--yaw",
        40,
        "--gender",
        "female",
        "--landmarks",
    )
    marked = np.asarray(Image.open(tmp_path / "b.png"))
    assert plain.shape == marked.shape == (64, 64, 3)
    assert (plain != marked).any()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sheet", "-o", "people.gif"), "people.gif is no name of a picture"),
        (("sheet", "-o", "people.png", "--people", 0), "people is 0"),
        (("sheet", "-o", "people.png", "--columns", 0), "columns is 0"),
        (("render", 1, "-o", "a.png", "--age", 4), "age is 4.0; wanted are 10 to 85 years"),
        (("render", 1, "-o", "a.png", "--yaw", 120), "a head turns by at most 90 degrees"),
        (("render", 1, "-o", "a.png", "--size", 8), "size is 8"),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(tmp_path, monkeypatch, words, message):
    from vitrail.errors import UsageError

    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        run(*words)
    assert not list(tmp_path.iterdir())


@SPEAKS
def test_speech(tmp_path, capsys):
    run(
        "speech",
        "A map of the bay.",
        "-o",
        tmp_path / "a.wav",
        "--curves",
        tmp_path / "a.csv",
        "--gender",
        "male",
        "--json",
    )
    record = json.loads(capsys.readouterr().out)
    assert record["text"] == "A map of the bay."
    assert "m" in [phone for phone, *_ in record["phones"]]
    audio = Audio.open(tmp_path / "a.wav")
    assert audio.rate == 16_000
    assert len(audio.samples) == 640 * record["frames"]
    header, *rows = (tmp_path / "a.csv").read_text().splitlines()
    assert header.split(",") == ["seconds", *ARKIT]
    assert len(rows) == record["frames"]


def test_maps(tmp_path):
    words = ("render", 4, "-o", tmp_path / "a.png", "--size", 64)
    run(*words, "--maps", tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as found:
        assert found["normals"].shape == found["position"].shape == (64, 64, 3)
        assert found["parts"].max() > 1
        assert found["landmarks_68"].shape == (68, 2)
    with pytest.raises(UsageError, match=r"b\.txt is no name for maps"):
        run(*words, "--maps", tmp_path / "b.txt")
    assert not (tmp_path / "b.txt").exists()
