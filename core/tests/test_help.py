"""Help pages: of every verb, and of a verb for one component."""

from __future__ import annotations

import pytest

FLAG_VERBS = ("generate", "animate", "train", "eval", "convert", "export", "bench")


@pytest.mark.parametrize("verb", FLAG_VERBS)
def test_help_of_a_verb(cli, fakes, verb):
    for words in [(verb,), (verb, "--help"), (verb, "-h")]:
        code, shown, said = cli(*words)
        assert (code, said) == (0, "")
        assert shown.startswith(f"Usage: vitrail {verb} ")
        assert "a folder with weights" in shown or verb in ("train", "convert")
        assert "--out" in shown or verb == "bench"
        assert '[default: ""]' not in shown
    if verb == "train":
        assert "Methods that can be trained: fake" in shown


@pytest.mark.parametrize(
    ("verb", "id", "flag", "text"),
    [
        ("generate", "fake/generator", "--brightness INT", "added to every pixel, -255 to 255. [default: 0]"),
        ("train", "fake", "--model.thresholds INT INT", "grey values below which a pixel is dark"),
        ("train", "fake/segmenter", "--steps INT", "how often to do nothing."),
        ("eval", "fake/segmenter", "--size INT", "height and width of the picture to measure on."),
        ("convert", "fake/segmenter", "--strict --no-strict", "[default: True]"),
        ("export", "fake/segmenter", "--help (-h)", "Display this message"),
        ("bench", "fake/segmenter", "--size INT", "[default: 64]"),
    ],
)
@pytest.mark.parametrize("help_flag", ["--help", "-h"])
def test_help_of_a_component(cli, fakes, verb, id, flag, text, help_flag):
    code, shown, said = cli(verb, id, help_flag)
    assert (code, said) == (0, "")
    words = " ".join(shown.replace("│", " ").split())
    assert f"Usage: vitrail {verb} {id}" in words
    assert flag in words
    assert text in words


def test_help_names_the_presets_and_shows_their_values(cli, fakes):
    shown = " ".join(cli("train", "fake", "--preset", "thorough", "--help")[1].replace("│", " ").split())
    assert "Presets: quick, thorough" in shown
    assert "[default: 20]" in shown


def test_help_of_a_component_without_options(cli, fakes):
    code, shown, _ = cli("animate", "fake/animator", "--help")
    assert (code, shown) == (0, "fake/animator has no options of its own; see `vitrail animate --help`.\n")


@pytest.mark.parametrize("verb", ["plugins", "demo", "pull", "doctor"])
def test_help_of_the_other_verbs(cli, fakes, verb):
    code, shown, said = cli(verb, "--help")
    assert (code, said) == (0, "")
    assert shown.startswith(f"Usage: vitrail {verb}")


def test_help_of_everything(cli, fakes):
    for words in [(), ("--help",), ("-h",)]:
        code, shown, said = cli(*words)
        assert (code, said) == (0, "")
        for word in (
            *FLAG_VERBS,
            "plugins",
            "pull",
            "doctor",
            "demo",
            "Say hello.",
            "VITRAIL_STRICT=1",
            "Exit codes",
        ):
            assert word in shown
