"""What the plugin promises: the standard checks, the ids, the weights inside."""

from __future__ import annotations

import pytest

import vitrail
from vitrail.loading import default_weights
from vitrail.specs import ComponentSpec, resolve
from vitrail.testing.suites import PluginSuite, RecognizerSuite
from vitrail_recognition.evaluate import EvalConfig, evaluate
from vitrail_recognition.testing import make_people
from vitrail_topofr.plugin import vitrail_commands, vitrail_components


class TestPlugin(PluginSuite):
    plugin = "topofr"


class TestTiny(RecognizerSuite):
    component = "topofr/tiny"


@pytest.mark.slow
class TestR50(RecognizerSuite):
    component = "topofr/r50"
    weights = "random"


def test_ids_and_specs():
    specs = {spec.id: spec for spec in vitrail_components()}
    assert list(specs) == ["topofr/r18", "topofr/r50", "topofr/r100", "topofr/r200", "topofr/tiny"]
    assert all(isinstance(spec, ComponentSpec) and not spec.problems() for spec in specs.values())
    assert not any(spec.weights.url for spec in specs.values() if spec.weights), (
        "no address of weights is known"
    )
    assert not any(spec.capabilities.tokens for spec in specs.values())
    assert not specs["topofr/tiny"].converter, "upstream has no such network"
    assert set(vitrail_commands()) == {"topofr"}


def test_the_weights_that_come_with_it(tmp_path):
    spec = {spec.id: spec for spec in vitrail_components()}["topofr/tiny"]
    folder = default_weights(spec)
    assert (folder / "README.md").is_file(), "the model card"
    assert (folder / "model.safetensors").stat().st_size < 4e6
    assert "not for real faces" in spec.weights_caveat
    assert "not for real faces" in (folder / "README.md").read_text(encoding="utf-8")
    folder = make_people(tmp_path / "people", identities=6, each=4)
    row = evaluate(vitrail.load("topofr/tiny"), EvalConfig(data=(folder,)))["pairs"]["people"]
    assert row["AUC"] > 0.9, "smooth pictures of the tests' own, which it was not trained on"


def test_each_variant_has_a_network_of_its_own():
    configs = [resolve(spec.config)() for spec in vitrail_components()]
    assert len(set(configs)) == len(configs)
