"""Every verb end to end: another process, the fakes installed from a wheel, files on disk."""

from __future__ import annotations

import json
import tomllib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from vitrail.results import Audio, open_image


@pytest.fixture(scope="module")
def site(install):
    return install("fakes")


@pytest.fixture
def process(vitrail, site, tmp_path):
    """process(*words) in an empty folder, with no plugin but the fakes, installed."""

    def process(*words, code=0, **variables):
        done = vitrail(*words, site=site, cwd=tmp_path, VITRAIL_PLUGINS="fake", **variables)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return process


@pytest.fixture
def run(cli, fakes, tmp_path, monkeypatch):
    """run(*words): as `process`, in this process, which is faster."""
    monkeypatch.chdir(tmp_path)

    def run(*words, code=0):
        found, out, said = cli(*words)
        assert found == code, out + said
        return SimpleNamespace(stdout=out, stderr=said)

    return run


@pytest.fixture
def speech(tmp_path):
    wave = np.sin(np.arange(4000) / 4).astype(np.float32) / 3
    return Audio(samples=wave, rate=8000).save(tmp_path / "speech.wav")


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_every_verb_in_a_process_of_its_own(process, tmp_path, speech):
    process(
        "generate", "fake/generator", "a red house", "-o", "one.png", "--seed", "3", "--brightness", "-300"
    )
    assert (open_image(tmp_path / "one.png") == 0).all()
    process("animate", "fake/animator", speech, "-o", "clip.gif")
    process("train", "fake", "--preset", "quick", "--steps", "3", "--out", "run")
    assert json.loads((tmp_path / "run" / "log.json").read_text())["steps"] == 3
    report = process("eval", "fake/segmenter", "--weights", "run/final", "--json")
    assert json.loads(report.stdout)["pixels"] == 32**2
    (tmp_path / "theirs.json").write_text('{"thresholds": [1, 2]}')
    process("convert", "fake/segmenter", "theirs.json", "-o", "ours")
    process("export", "fake/segmenter", "--weights", "ours", "--format", "json", "-o", "model.json")
    assert json.loads((tmp_path / "model.json").read_text()) == {"thresholds": [1, 2]}
    assert "milliseconds" in process("bench", "fake/segmenter").stdout
    process("demo")
    assert "these components are fakes" in process("doctor").stdout
    assert process("fake").stdout == "hello\n"
    written = [
        "clip.gif",
        "model.json",
        "one.png",
        "ours",
        "run",
        "speech.wav",
        "theirs.json",
        "vitrail-demo",
    ]
    assert names(tmp_path) == written


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("train", "fake", "--step", "3"), 2, "error: Unknown option: --step. Did you mean --steps?\n"),
        (("train", "prcl"), 3, "error: prcl is planned and cannot be installed yet"),
        (
            ("--no-plugin", "fake", "eval", "fake/segmenter"),
            3,
            "(vitrail-fakes 1.0) is disabled: it was switched off.",
        ),
    ],
)
def test_exit_codes_of_the_process(process, words, code, text):
    assert text in process(*words, code=code).stderr


def test_a_broken_weights_file_exits_with_4(process, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "config.json").write_text("{")
    done = process("eval", "fake/segmenter", "--weights", "weights", code=4)
    assert "error: weights/config.json cannot be read" in done.stderr


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
def test_generate_says_what_is_wrong(run, tmp_path, words, code, text):
    done = run("generate", *words, code=code)
    assert text in done.stderr
    assert done.stderr.startswith("error: ")
    assert names(tmp_path) == []


def test_animate(run, tmp_path, speech):
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


def test_animate_says_what_is_wrong(run, tmp_path, speech):
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


def test_train_from_a_preset_with_flags_over_it(run, tmp_path):
    run("train", "fake", "--preset", "thorough", "--steps", "7", "--out", "here")
    log = json.loads((tmp_path / "here" / "log.json").read_text())
    assert log == {"steps": 7, "rate": 0.1}
    config = json.loads((tmp_path / "here" / "final" / "config.json").read_text())
    assert config["config"] == {"thresholds": [50, 200]}


def test_train_by_the_name_of_a_component_and_without_anything(run, tmp_path):
    run("train", "fake/segmenter")
    assert names(tmp_path / "runs") == ["fake-segmenter"]
    run("train", "fake", "--preset", "quick")
    assert names(tmp_path / "runs") == ["fake-quick", "fake-segmenter"]


def test_train_resumes_only_when_asked(run):
    run("train", "fake", "--out", "here")
    assert "here exists already; add --resume" in run("train", "fake", "--out", "here", code=2).stderr
    run("train", "fake", "--out", "here", "--resume")


def test_the_printed_config_makes_the_same_config_again(run, tmp_path):
    first = run(
        "train", "fake", "--preset", "thorough", "--rate", "0.25", "--data", "a/b", "--print-config"
    ).stdout
    assert tomllib.loads(first) == {
        "steps": 20,
        "rate": 0.25,
        "data": "a/b",
        "model": {"thresholds": [50, 200]},
    }
    (tmp_path / "config.toml").write_text(first)
    assert run("train", "fake", "--config", "config.toml", "--print-config").stdout == first
    (tmp_path / "part.toml").write_text("steps = 3\n")
    over = run(
        "train", "fake", "--preset", "thorough", "--config", "part.toml", "--rate", "1", "--print-config"
    )
    assert tomllib.loads(over.stdout) == {"steps": 3, "rate": 1.0, "model": {"thresholds": [50, 200]}}
    assert names(tmp_path) == ["config.toml", "part.toml"]  # nothing was trained


def test_train_says_what_is_wrong(run, tmp_path):
    (tmp_path / "wrong.toml").write_text("step = 3\n")
    for words, code, text in [
        (("fake", "--preset", "slow"), 2, "There is no preset 'slow'; there are quick, thorough."),
        (
            ("fake", "--config", "wrong.toml"),
            2,
            "wrong.toml has step, which FakeTrainConfig does not know; it knows",
        ),
        (("fake", "--config", "gone.toml"), 2, "gone.toml does not exist; wanted is a TOML file"),
        (("fake", "--step", "3"), 2, "Unknown option: --step. Did you mean --steps?"),
        (("fake", "--steps", "x"), 2, 'unable to convert "x" into int'),
        (
            ("--steps", "3", "fake"),
            2,
            "--steps is not understood here; the name of a plugin or component comes first",
        ),
        (("fake/recognizer",), 2, "fake/recognizer offers no trainer: its authors have not written one."),
        (("prcl",), 3, "prcl is planned and cannot be installed yet"),
        (("nobody",), 2, "Nothing is known under the name 'nobody'."),
    ]:
        assert text in run("train", *words, code=code).stderr
    assert names(tmp_path) == ["wrong.toml"]


def test_eval(run, tmp_path):
    table = run("eval", "fake/segmenter", "--size", "30").stdout
    assert "pixels  900" in table
    assert any(line.startswith("bright ") for line in table.splitlines())
    report = json.loads(run("eval", "fake/segmenter", "--size", "30", "--json", "-o", "out").stdout)
    assert report["pixels"] == 900
    assert sum(row["share"] for row in report["classes"].values()) == pytest.approx(1)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report


def test_convert_then_use_the_weights(run, tmp_path):
    (tmp_path / "theirs.json").write_text('{"thresholds": [1, 2]}')
    done = run("convert", "fake/segmenter", "theirs.json", "-o", "ours")
    assert done.stderr == "Wrote ours. Use it as --weights ours.\n"
    report = json.loads(run("eval", "fake/segmenter", "--weights", "ours", "--json").stdout)
    assert report["classes"]["bright"]["share"] > 0.4  # nearly everything is brighter than 2
    again = run("convert", "fake/segmenter", "theirs.json", "-o", "ours", code=2)
    assert "ours exists already and is not an empty folder." in again.stderr
    assert names(tmp_path) == ["ours", "theirs.json"]


def test_convert_says_what_is_wrong(run, tmp_path):
    (tmp_path / "wrong.json").write_text("{}")
    for words, text in [
        (("fake/segmenter",), "No checkpoint was given. Write: vitrail convert fake/segmenter FILE -o DIR"),
        (("fake/segmenter", "wrong.json"), "No place to write was given."),
        (
            ("fake/segmenter", "gone.json", "-o", "x"),
            "gone.json is not a file; wanted is the checkpoint to convert.",
        ),
        (("fake/segmenter", "wrong.json", "-o", "x"), "wrong.json is not a checkpoint of fake/segmenter"),
        (
            ("fake/segmenter", "--no-strict", "wrong.json"),
            "--no-strict is not understood here; the checkpoint comes",
        ),
        (("fake/segmenter", "wrong.json", "-o", "x", "--nope"), "Unknown option: --nope."),
        (("fake/recognizer", "wrong.json", "-o", "x"), "fake/recognizer offers no converter"),
    ]:
        assert text in run("convert", *words, code=2).stderr
    assert names(tmp_path) == ["wrong.json"]


def test_export(run, tmp_path):
    done = run("export", "fake/segmenter", "--format", "json", "--check", "--json")
    assert json.loads(done.stdout) == {"file": "fake-segmenter.json", "checked": True}
    run("export", "fake/segmenter", "--format", "json", "-o", "deep/model.json")
    assert json.loads((tmp_path / "deep" / "model.json").read_text()) == {"thresholds": [85, 170]}
    assert "is exported as json, not as onnx." in run("export", "fake/segmenter", code=2).stderr
    assert "fake/animator offers no exporter" in run("export", "fake/animator", code=2).stderr


def test_bench(run):
    report = json.loads(run("bench", "fake/segmenter", "--size", "16", "--json").stdout)
    assert report["size"] == 16
    assert report["milliseconds"] > 0
    assert "milliseconds" in run("bench", "fake/segmenter").stdout
    assert "fake/recognizer offers no benchmark" in run("bench", "fake/recognizer", code=2).stderr


def test_demo(run, tmp_path):
    assert run("demo").stdout == "Wrote vitrail-demo/sheet.png.\n"
    run("demo", "fake/segmenter", "-o", "here")
    assert open_image(tmp_path / "here" / "sheet.png").ndim == 3
    none = run("demo", "fake/animator", code=2)
    assert "fake/animator has no demo; there is one for fake/segmenter." in none.stderr


def test_a_demo_where_no_plugin_brings_one(cli, use):
    use()
    code, _, said = cli("demo")
    assert code == 3
    assert "No installed plugin brings a demo. Install one, for example: pip install " in said


def test_eval_and_demo_of_what_offers_none(run):
    assert "fake/recognizer offers no evaluator" in run("eval", "fake/recognizer", code=2).stderr
    assert "Nothing is known under the name 'nobody/x'." in run("demo", "nobody/x", code=2).stderr


def test_doctor(run):
    text = run("doctor").stdout
    assert "these components are fakes" in text
    lines = json.loads(run("doctor", "--json").stdout)
    assert {"from": "fake", "level": "note", "text": "these components are fakes"} in lines


def test_list_and_info(run):
    assert (
        "fake/recognizer, fake/segmenter, fake/generator, fake/animator, verb fake"
        in run("plugins", "list").stdout
    )
    info = json.loads(run("plugins", "info", "fake", "--json").stdout)
    assert info["components"][0]["id"] == "fake/recognizer"
    assert "mean colours of a grid of patches" in run("plugins", "info", "fake/recognizer").stdout
    planned = run("plugins", "info", "prcl").stdout
    assert "planned" in planned
    assert "https://arxiv.org/abs/2402.18117" in planned
    assert "Did you mean fake" in run("plugins", "info", "fak", code=2).stderr


def test_the_verb_of_a_plugin(run):
    assert run("fake").stdout == "hello\n"
    assert "'now' is too much; see --help." in run("fake", "now", code=2).stderr


def test_a_verb_that_nobody_has(run):
    assert "There is no verb 'trian'. Did you mean train?" in run("trian", "x", code=2).stderr
    assert "There is no verb 'qqqq'. `vitrail --help` lists them." in run("qqqq", code=2).stderr


def test_a_verb_whose_package_is_not_installed_says_how_to_get_it(run):
    said = run("segment", "x.tif", code=3).stderr
    assert (
        "the verb 'segment' comes with vitrail-segmentation, which is not installed. Install it: pip" in said
    )


def test_a_verb_whose_package_is_broken_or_too_old(cli, use, plugin):
    use(plugin("segmentation", components=[None]))
    code, _, said = cli("segment", "x.tif")
    assert code == 4
    assert (
        "the verb 'segment' cannot be used: the plugin segmentation (unknown) is broken: vitrail_comp" in said
    )
    use(plugin("segmentation"))
    code, _, said = cli("segment", "x.tif")
    assert code == 3
    assert "the verb 'segment' does not come with the installed unknown. Upgrade: pip install" in said


def test_a_verb_whose_module_is_gone(cli, use, plugin):
    use(plugin("made", commands={"haunt": ("no_such_module:app", "Haunt.")}))
    code, _, said = cli("haunt")
    assert code == 4
    assert said.startswith(
        "error: the verb 'haunt' needs no_such_module:app, and importing no_such_module failed: No"
    )
    assert "Haunt." in cli("--help")[1]
    assert cli("hunt")[2] == "error: There is no verb 'hunt'. Did you mean haunt?\n"


def test_the_version(cli, fakes):
    import vitrail

    assert cli("--version") == (0, f"{vitrail.__version__}\n", "")


def test_no_plugin_wants_a_name(cli, fakes):
    assert cli("plugins", "list", "--no-plugin") == (
        2,
        "",
        "error: --no-plugin was given no name; write --no-plugin NAME.\n",
    )


def test_interrupting_is_quiet(cli, fakes, monkeypatch):
    from vitrail.cli import tree

    def interrupted(tokens):
        raise KeyboardInterrupt

    monkeypatch.setattr(tree, "run_verb", interrupted)
    assert cli("doctor") == (130, "", "error: interrupted.\n")


def test_a_reader_that_goes_away_is_no_error(environment, site):
    import subprocess
    import sys

    command = f"'{sys.executable}' -m vitrail plugins list --json | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], env=environment(site), capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{", "")
