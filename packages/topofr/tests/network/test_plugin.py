"""What the plugin promises: the standard checks, the ids, the weights inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitrail.specs import ComponentSpec, resolve
from vitrail.testing.suites import PluginSuite, RecognizerSuite
from vitrail_recognition.testing import check_demo_weights
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


def test_the_weights_that_come_with_it():
    (spec,) = (spec for spec in vitrail_components() if spec.id == "topofr/tiny")
    check_demo_weights(spec, Path(__file__).parents[1] / "golden" / "heads.jpg")


def test_each_variant_has_a_network_of_its_own():
    configs = [resolve(spec.config)() for spec in vitrail_components()]
    assert len(set(configs)) == len(configs)
