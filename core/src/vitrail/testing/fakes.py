"""One small component of each kind, in plain numpy: for tests of the frame, and as the shortest examples.

This module is itself a plugin. A distribution makes it one with the entry point `fake = "vitrail.testing.fakes"`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vitrail.hookspecs import hookimpl
from vitrail.specs import Capabilities, Command, ComponentSpec, DoctorLine, Inputs

HOME = "vitrail.testing.fake_components"


@hookimpl
def vitrail_components() -> Iterable[ComponentSpec]:
    return [
        ComponentSpec(
            id="fake/recognizer",
            kind="recognizer",
            target=f"{HOME}:FakeRecognizer",
            summary="mean colours of a grid of patches",
            inputs=Inputs(size=(112, 112), template="arcface"),
            capabilities=Capabilities(tokens=True),
            licence="Apache-2.0",
        ),
        ComponentSpec(
            id="fake/segmenter",
            kind="segmenter",
            target=f"{HOME}:FakeSegmenter",
            config=f"{HOME}:FakeConfig",
            summary="dark, medium and bright pixels",
            trainer=f"{HOME}:train",
            presets="vitrail.testing.fake_presets",
            evaluator=f"{HOME}:evaluate",
            converter=f"{HOME}:convert",
            exporter=f"{HOME}:export",
            benchmarks=f"{HOME}:bench",
            demo=f"{HOME}:demo",
            licence="Apache-2.0",
        ),
        ComponentSpec(
            id="fake/generator",
            kind="generator",
            target=f"{HOME}:FakeGenerator",
            options=f"{HOME}:FakeOptions",
            summary="coloured noise that depends on the words",
            licence="Apache-2.0",
        ),
        ComponentSpec(
            id="fake/animator",
            kind="animator",
            target=f"{HOME}:FakeAnimator",
            summary="a bar as high as the sound is loud",
            licence="Apache-2.0",
        ),
    ]


@hookimpl
def vitrail_commands() -> Mapping[str, Command]:
    return {"fake": Command(target=f"{HOME}:hello", help="Say hello.")}


@hookimpl
def vitrail_doctor() -> Iterable[DoctorLine]:
    return [DoctorLine(level="note", text="these components are fakes")]
