"""`vitrail generate` and `vitrail animate`."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vitrail.results import open_image


def test_generate(run, tmp_path):
    run("generate", "fake/generator", "a red house", "-o", "one.png", "--seed", "3", "--size", "20", "30")
    image = open_image(tmp_path / "one.png")
    assert image.shape == (20, 30, 3)
    again = run(
        "generate", "fake/generator", "a red house", "-o", "two.png", "--seed", "3", "--size", "20", "30"
    )
    assert again.stdout == ""
    assert again.stderr == "Wrote two.png. Seeds: 3.\n"
    np.testing.assert_array_equal(open_image(tmp_path / "two.png"), image)

    run("generate", "fake/generator", "a red house", "--seed=3", "--size", 20, 30, "--brightness", "300")
    assert (open_image(tmp_path / "generated.png") == 255).all()  # an option of this method alone


def test_generate_inside_a_mask(run, tmp_path):
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.fromarray(np.full((16, 16, 3), 7, np.uint8)).save(tmp_path / "start.png")
    words = ("--init-image", "start.png", "--mask", "mask.png", "--face", "start.png", "--count", 1)
    run("generate", "fake/generator", "x", *words, "-o", "out.png")
    image = open_image(tmp_path / "out.png")
    assert (image[mask == 0] == 7).all()
    assert (image[mask > 0] != 7).any()


def test_several_pictures_go_on_a_sheet(run, tmp_path):
    done = run("generate", "fake/generator", "x", "--count", "4", "--seed", "1", "-o", "sheet.png")
    assert open_image(tmp_path / "sheet.png").shape == (68, 68, 3)
    assert "Seeds: 1, 2, 3, 4." in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("fake/segmenter", "x"), 2, "fake/segmenter is a segmenter; `vitrail generate` wants a generator."),
        (("fake/generator", "x", "--count", "0"), 2, "count is 0; wanted is 1 or more."),
        (("fake/generator", "x", "--count", "many"), 2, 'unable to convert "many" into int'),
        (("fake/generator", "x", "--colour", "red"), 2, "Unknown option: --colour."),
        (
            ("fake/generator", "--colour", "red", "x"),
            2,
            "--colour is not understood here; the prompt comes right",
        ),
        (("fake/generator", "x", "--face", "gone.png"), 2, "gone.png does not exist; wanted is a picture."),
        (("fake/generator", "x", "-o", "out.txt"), 2, "pictures are written as .png"),
        (("fake/generator", "x", "--weights", "gone"), 2, "gone holds no config.json"),
        (("fact-adapter/sd15", "x"), 3, "fact-adapter/sd15 is planned and cannot be installed yet"),
    ],
)
def test_generate_says_what_is_wrong(run, tmp_path, words, code, text, names):
    done = run("generate", *words, code=code)
    assert text in done.stderr
    assert done.stderr.startswith("error: ")
    assert names(tmp_path) == []


def test_animate(run, tmp_path, speech, names):
    done = run("animate", "fake/animator", speech, "-o", "clip.gif", "--fps", "10", "--size", "8", "12")
    assert done.stderr == "Wrote clip.gif, 0.5 s.\n"
    with Image.open(tmp_path / "clip.gif") as clip:
        assert clip.size == (12, 8)
    run("animate", "fake/animator", speech, "-o", "frames")
    assert len(names(tmp_path / "frames")) == 12 + 1  # 25 frames a second, and the sound


def test_animate_takes_the_size_of_a_portrait(run, tmp_path, speech):
    Image.fromarray(np.zeros((9, 7, 3), np.uint8)).save(tmp_path / "me.png")
    run("animate", "fake/animator", speech, "--portrait", "me.png", "-o", "frames")
    assert open_image(tmp_path / "frames" / "000000.png").shape == (9, 7, 3)


def test_animate_says_what_is_wrong(run, tmp_path, speech, names):
    for words, text in [
        (("fake/generator", speech), "fake/generator is a generator; `vitrail animate` wants an animator."),
        (
            ("fake/animator",),
            "No sound was given. Write: vitrail animate fake/animator SPEECH.wav -o animated.mp4",
        ),
        (("fake/animator", "gone.wav"), "gone.wav does not exist; wanted is a WAV file."),
        (
            ("fake/animator", speech, "--knob", "3"),
            "fake/animator has no options of its own; '--knob 3' is not",
        ),
        (("fake/animator", speech, "-o", "x.avi"), "x.avi ends in .avi; a clip is written as"),
    ]:
        assert text in run("animate", *words, code=2).stderr
    assert names(tmp_path) == ["speech.wav"]
