"""What the plugin promises: the standard checks, the ids, the weights inside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vitrail.specs import ComponentSpec
from vitrail.testing.suites import PluginSuite, RecognizerSuite
from vitrail_recognition.testing import check_demo_weights
from vitrail_transface.plugin import vitrail_components


class TestPlugin(PluginSuite):
    plugin = "transface"


class TestTiny(RecognizerSuite):
    component = "transface/tiny"


@pytest.mark.slow
class TestViTS(RecognizerSuite):
    component = "transface/vit-s"
    weights = "random"


def test_ids_and_specs():
    specs = {spec.id: spec for spec in vitrail_components()}
    assert list(specs) == [*(f"transface/vit-{letter}" for letter in "tsbl"), "transface/tiny"]
    assert all(isinstance(spec, ComponentSpec) and not spec.problems() for spec in specs.values())
    assert all(spec.capabilities.tokens for spec in specs.values())
    assert not any(spec.weights.url for spec in specs.values() if spec.weights), (
        "no address of a file is known"
    )
    assert not specs["transface/tiny"].converter, "upstream has no such network"
    assert specs["transface/tiny"].weights_caveat


def test_the_package_imports_no_torch():
    program = "import sys, vitrail_transface, vitrail_transface.config; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_public_names_are_all_there():
    import vitrail_transface

    assert all(getattr(vitrail_transface, name) is not None for name in vitrail_transface.__all__)
    assert set(dir(vitrail_transface)) == set(vitrail_transface.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = vitrail_transface.Nothing


def test_the_weights_that_come_with_it():
    (spec,) = (spec for spec in vitrail_components() if spec.id == "transface/tiny")
    check_demo_weights(spec, Path(__file__).parents[1] / "golden" / "heads.jpg")
