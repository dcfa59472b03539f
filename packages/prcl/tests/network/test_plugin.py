"""What the plugin promises: the standard checks, and the ids."""

from __future__ import annotations

from vitrail.specs import ComponentSpec
from vitrail.testing.suites import PluginSuite, SegmenterSuite
from vitrail_prcl.plugin import vitrail_commands, vitrail_components


class TestPlugin(PluginSuite):
    plugin = "prcl"


class TestResNet50(SegmenterSuite):
    component = "prcl/r50"
    weights = "random"


class TestLandsat(SegmenterSuite):
    component = "prcl/landsat"


def test_ids_and_specs():
    specs = {spec.id: spec for spec in vitrail_components()}
    assert {"prcl/r101", "prcl/r50"} <= set(specs)
    assert all(isinstance(spec, ComponentSpec) and not spec.problems() for spec in specs.values())
    assert not specs["prcl/r101"].weights.url, "the authors publish none"
    assert not specs["prcl/landsat"].converter, "upstream has no such network"
    assert set(vitrail_commands()) == {"prcl"}
