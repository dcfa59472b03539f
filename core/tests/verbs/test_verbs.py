"""Every verb end to end, and what is said where a verb cannot do what was asked."""

from __future__ import annotations

import json

import pytest

from vitrail.results import open_image


def test_every_verb_in_a_process_of_its_own(process, tmp_path, speech, names):
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
        (("train", "talkingface"), 3, "error: talkingface is planned and cannot be installed yet"),
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
    planned = run("plugins", "info", "talkingface").stdout
    assert "planned" in planned
    assert "https://arxiv.org/abs/2403.01901" in planned
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
