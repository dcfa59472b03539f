"""Specs: what is wrong with them in sentences, versions of the contract, and references."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from vitrail.errors import BrokenError, UsageError
from vitrail.specs import API_VERSION, ComponentSpec, Weights, check_api, resolve, resolve_function

SOUND = ComponentSpec(
    id="water/small", kind="segmenter", target="vitrail_water.segmenter:Water", summary="one"
)
SHA = "0" * 64


def test_a_sound_spec_has_no_problems():
    assert SOUND.problems() == []
    assert SOUND.plugin == "water"
    full = replace(
        SOUND,
        id="fact-adapter/r50.v2",
        config="a.b:c",
        options="a:B.C",
        presets="a.presets",
        embedded="a.b:weights/small",
        weights=Weights(url="https://example.org/w", sha256=SHA, size=1, converter="a:b"),
    )
    assert full.problems() == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"id": "Water/small"}, "id 'Water/small' is not of the form plugin/variant"),
        ({"id": "water"}, "id 'water' is not"),
        ({"id": "water/a/b"}, "id 'water/a/b' is not"),
        ({"id": "water/"}, "id 'water/' is not"),
        ({"id": 3}, "id is a int, not a string"),
        ({"kind": "painter"}, "kind 'painter' is none of recognizer, segmenter, generator, animator"),
        ({"target": "vitrail_water"}, "target 'vitrail_water' is not of the form module:Class"),
        ({"target": "vitrail water:Water"}, "is not of the form module:Class"),
        ({"target": ""}, "target '' is not"),
        ({"summary": ""}, "summary is empty"),
        ({"trainer": "train"}, "trainer 'train' is not of the form module:name"),
        ({"trainer": len}, "trainer is a builtin_function_or_method, not a string"),
        ({"demo": "a:b c"}, "demo 'a:b c' is not"),
        ({"presets": "a:b"}, "presets 'a:b' is not a module name"),
        ({"embedded": "weights"}, "embedded 'weights' is not of the form package:folder"),
        ({"weights": Weights(url="ftp://x", sha256=SHA, size=1)}, "'ftp://x' does not begin with https://"),
        ({"weights": Weights(url="https://x")}, "without the file's sha256"),
        ({"weights": Weights(url="https://x", sha256=SHA)}, "without the file's sha256"),
        ({"weights": Weights(url="https://x", sha256="ABC", size=1)}, "without the file's sha256"),
        ({"weights": Weights(converter="convert")}, "weights.converter 'convert' is not"),
    ],
)
def test_what_is_wrong_is_said(changes, text):
    found = replace(SOUND, **changes).problems()
    assert len(found) == 1
    assert text in found[0]


def test_everything_that_is_wrong_is_said_at_once():
    assert len(replace(SOUND, id="x", kind="y", target="z", summary="").problems()) == 4


def test_versions_of_the_contract():
    major, minor = map(int, API_VERSION.split("."))
    assert check_api(API_VERSION) == ""
    assert check_api(f"{major}.0") == ""
    for other in (f"{major}.{minor + 1}", f"{major + 1}.0", f"{major - 1}.9"):
        assert f"written for plugin api {other}, and this vitrail offers {API_VERSION}" in check_api(other)
    for nonsense in ("1", "one.two", "1.0.0", "", 1.0, None):
        assert "is not of the form MAJOR.MINOR" in check_api(nonsense)


def test_references_are_resolved():
    from collections import OrderedDict

    assert resolve("collections:OrderedDict") is OrderedDict
    assert resolve("collections:OrderedDict.fromkeys") == OrderedDict.fromkeys
    assert resolve_function("collections:OrderedDict") is OrderedDict


@pytest.mark.parametrize(
    ("reference", "error", "text"),
    [
        ("collections", UsageError, "'collections' is not a reference of the form module:name."),
        ("a b:c", UsageError, "is not a reference"),
        ("no_such_module_here:x", BrokenError, "importing no_such_module_here failed: No module named"),
        ("collections:Nothing", BrokenError, "collections has no 'Nothing'"),
        ("collections:abc.Nothing", BrokenError, "collections has no 'abc.Nothing'"),
    ],
)
def test_references_that_lead_nowhere(reference, error, text):
    with pytest.raises(error) as caught:
        resolve(reference, wanted_by="water/small")
    assert text in str(caught.value)
    if error is BrokenError:
        assert str(caught.value).startswith(f"water/small needs {reference}, and ")


def test_a_reference_to_something_that_cannot_be_called():
    with pytest.raises(BrokenError, match=r"water/small names sys:path, which is not callable\."):
        resolve_function("sys:path", wanted_by="water/small")
    assert resolve("sys:path") is sys.path
