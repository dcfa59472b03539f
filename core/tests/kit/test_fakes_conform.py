"""The fakes pass every check, through the suites and through `validate`."""

import pytest

from vitrail.testing import (
    AnimatorSuite,
    GeneratorSuite,
    PluginSuite,
    RecognizerSuite,
    SegmenterSuite,
    TrainSuite,
)

pytestmark = pytest.mark.usefixtures("fakes")


class TestPlugin(PluginSuite):
    plugin = "fake"


class TestRecognizer(RecognizerSuite):
    component = "fake/recognizer"


class TestSegmenter(SegmenterSuite):
    component = "fake/segmenter"


class TestGenerator(GeneratorSuite):
    component = "fake/generator"


class TestAnimator(AnimatorSuite):
    component = "fake/animator"


class TestTrain(TrainSuite):
    component = "fake/segmenter"

    def config(self):
        from vitrail.testing.fake_components import FakeTrainConfig

        return FakeTrainConfig(steps=1)


def test_validate_finds_nothing_wrong():
    from vitrail.testing.validate import validate as run

    outcomes = run("fake")
    assert [o for o in outcomes if o.result == "failed"] == []
    assert sum(o.result == "passed" for o in outcomes) > 50
    assert {o.subject for o in outcomes} == {"fake", *(f"fake/{k}" for k in KINDS)}


def test_validate_of_one_component_leaves_the_others_out():
    from vitrail.testing.validate import validate as run

    assert {o.subject for o in run("fake/segmenter")} == {"fake", "fake/segmenter"}


KINDS = ("recognizer", "segmenter", "generator", "animator")
