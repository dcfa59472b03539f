"""What the plugin promises: the standard checks for the untrained network, and the ids."""

from __future__ import annotations

from vitrail.specs import ComponentSpec
from vitrail.testing.suites import PluginSuite, SegmenterSuite
from vitrail_cmunet.plugin import vitrail_commands, vitrail_components


class TestPlugin(PluginSuite):
    plugin = "cmunet"


class TestResNet18(SegmenterSuite):
    component = "cmunet/resnet18"
    weights = "random"


class TestLandsat(SegmenterSuite):
    component = "cmunet/landsat"


def test_ids_and_specs():
    specs = {spec.id: spec for spec in vitrail_components()}
    assert list(specs) == ["cmunet/resnet18", "cmunet/landsat"]
    assert all(isinstance(spec, ComponentSpec) and not spec.problems() for spec in specs.values())
    assert not specs["cmunet/resnet18"].weights.url, "the authors publish none"
    assert not specs["cmunet/landsat"].converter, "upstream has no such network"
    assert set(vitrail_commands()) == {"cmunet"}
