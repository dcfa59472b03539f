"""From an id to a component, and every way in which that fails."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

import vitrail
from vitrail import index, loading
from vitrail.errors import BrokenError, NotInstalledError, UsageError
from vitrail.specs import ComponentSpec, Weights

FAKE = "vitrail.testing.fake_components"


def message(call, *arguments, error):
    with pytest.raises(error) as caught:
        call(*arguments)
    return str(caught.value)


def made(**changes):
    return ComponentSpec(
        **{
            "id": "made/one",
            "kind": "segmenter",
            "target": f"{FAKE}:FakeSegmenter",
            "summary": "one",
            **changes,
        }
    )


@pytest.fixture
def offer(plugin, use):
    """offer(spec) makes it the only component there is."""
    return lambda spec: use(plugin("made", components=[spec]))


def test_a_component_is_built(fakes):
    segmenter = vitrail.load("fake/segmenter")
    assert segmenter.spec.id == "fake/segmenter"
    assert segmenter.config.thresholds == (85, 170)
    assert sorted(vitrail.components()) == [
        "fake/animator",
        "fake/generator",
        "fake/recognizer",
        "fake/segmenter",
    ]
    assert [record.name for record in vitrail.plugins()] == ["fake"]


def test_a_component_is_built_from_a_folder(fakes, tmp_path):
    from vitrail.testing.fake_components import FakeConfig, FakeSegmenter

    spec = vitrail.components()["fake/segmenter"]
    folder = FakeSegmenter(FakeConfig(thresholds=(1, 2)), spec).save_pretrained(tmp_path / "saved")
    for given in (folder, str(folder)):
        assert vitrail.load("fake/segmenter", weights=given).config.thresholds == (1, 2)
    assert vitrail.load("fake/segmenter", weights="random").config.thresholds == (85, 170)
    said = message(lambda: vitrail.load("fake/segmenter", weights=tmp_path), error=UsageError)
    assert said.startswith(f"{tmp_path} holds no config.json")
    said = message(lambda: vitrail.load("fake/segmenter", device="cuda"), error=UsageError)
    assert said == "fake/segmenter computes on the cpu only; 'cuda' was asked for."


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (
            "fake/segmentor",
            "has no 'fake/segmentor'; it offers fake/recognizer, fake/segmenter, fake/generator",
        ),
        ("fakes/segmenter", "Nothing is known under the name 'fakes/segmenter'. Did you mean fake/segmenter"),
        ("fke", "Nothing is known under the name 'fke'. Did you mean fake?"),
        ("transfaec", "Nothing is known under the name 'transfaec'. Did you mean transface"),
        ("qqqqqqq", "Nothing is known under the name 'qqqqqqq'. `vitrail plugins list` shows what there is."),
        ("", "Nothing is known under the name ''."),
    ],
)
def test_names_that_nobody_knows(fakes, asked, text):
    assert text in message(vitrail.load, asked, error=UsageError)


@pytest.mark.parametrize("asked", ["talkingface/sd15", "talkingface/nothing", "talkingface"])
def test_what_is_planned_says_so(fakes, asked):
    said = message(vitrail.load, asked, error=NotInstalledError)
    assert said.startswith(f"{asked} is planned and cannot be installed yet (")


def test_what_is_known_and_not_installed_says_how_to_get_it(fakes):
    entry = index.plugins()["cmunet"]
    said = message(vitrail.load, "cmunet/landsat", error=NotInstalledError)
    assert said == (
        f"cmunet/landsat comes with vitrail-cmunet, which is not installed. Install it: {entry.install}"
    )


def test_a_plugin_without_components_is_installed_all_the_same(plugin, use):
    """The training kit, say: `training/x` is a mistake, not something to install."""
    use(plugin("training"))
    said = message(vitrail.load, "training/x", error=UsageError)
    assert said.endswith("has no 'training/x'; it offers no components.")
    assert loading.find_plugin("training").status == "ok"


def test_a_broken_plugin_gives_its_reason(plugin, use):
    use(plugin("made", components=[None]))
    reason = "is broken: vitrail_components gave a NoneType"
    assert reason in message(vitrail.load, "made/one", error=BrokenError)
    assert reason in message(loading.find_plugin, "made", error=BrokenError)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (
            "no_such_module:X",
            "made/one needs no_such_module:X, and importing no_such_module failed: No module named",
        ),
        (f"{FAKE}:Nothing", f"made/one needs {FAKE}:Nothing, and {FAKE} has no 'Nothing'"),
    ],
)
def test_a_target_that_is_not_there(offer, target, text):
    offer(made(target=target))
    assert text in message(vitrail.load, "made/one", error=BrokenError)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {},
            "No weights of made/one are published for download. The authors' page is https://example.org.",
        ),
        (
            {"trainer": "a:b"},
            "example.org. You can train it (vitrail train made/one); then give the folder as weights.",
        ),
        (
            {"trainer": "a:b", "converter": "a:b"},
            "You can train it (vitrail train made/one) or convert a checkpoint (vitrail convert made/one FILE -o DIR);",
        ),
    ],
)
def test_weights_that_nobody_publishes(offer, changes, text):
    offer(made(weights=Weights(homepage="https://example.org"), **changes))
    assert text in message(vitrail.load, "made/one", error=NotInstalledError)
    assert vitrail.load("made/one", weights="random").spec.id == "made/one"


def test_weights_that_were_not_pulled_yet(offer, tmp_path, monkeypatch):
    monkeypatch.setenv("VITRAIL_CACHE", str(tmp_path))
    offer(made(weights=Weights(url="https://example.org/w.zip", sha256="a" * 64, size=1)))
    said = message(vitrail.load, "made/one", error=NotInstalledError)
    assert said == "made/one has no weights on this machine yet. Get them: vitrail pull made/one"


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "a_package_of_weights" / "weights").mkdir(parents=True)
    (tmp_path / "a_package_of_weights" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "a_package_of_weights"


def test_embedded_weights_are_found_without_importing_their_package(package):
    spec = made(embedded="a_package_of_weights:weights")
    assert loading.default_weights(spec) == package / "weights"
    assert "a_package_of_weights" not in sys.modules


@pytest.mark.parametrize("where", ["no_such_package", "no_such_package.inside", "json.decoder"])
def test_embedded_weights_whose_package_is_gone(where):
    said = message(loading.default_weights, made(embedded=f"{where}:weights"), error=BrokenError)
    assert said == f"made/one keeps its weights in the package {where}, which cannot be found."


def test_embedded_weights_that_are_gone(package):
    said = message(loading.default_weights, made(embedded="a_package_of_weights:other"), error=BrokenError)
    assert (
        said
        == f"made/one should bring its weights in {package / 'other'}, and they are not there. Reinstall it."
    )


def test_a_component_that_needs_no_weights():
    assert loading.default_weights(made()) is None


def test_the_cache_folder(monkeypatch):
    from vitrail.cache import cache_folder

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("VITRAIL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/vitrail")
    monkeypatch.setenv("VITRAIL_CACHE", "/elsewhere")
    assert cache_folder() == Path("/elsewhere")


def test_the_package_itself_has_no_other_names():
    assert isinstance(vitrail, ModuleType)
    with pytest.raises(AttributeError, match="module 'vitrail' has no attribute 'lod'"):
        _ = vitrail.lod
