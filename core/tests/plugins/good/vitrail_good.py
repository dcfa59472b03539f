"""A plugin with a component, two verbs and a finding for doctor; all of it works."""

from __future__ import annotations

from typing import ClassVar

from vitrail.hookspecs import hookimpl
from vitrail.specs import ComponentSpec, DoctorLine


@hookimpl
def vitrail_components():
    yield ComponentSpec(
        id="good/one",
        kind="segmenter",
        target="vitrail_good:One",
        summary="every pixel is one",
        licence="Apache-2.0",
    )


@hookimpl
def vitrail_commands():
    return {
        "greet": ("vitrail_good:greet", "Say hello."),
        "leave": ("vitrail_good:leave", "Leave with a message."),
    }


@hookimpl
def vitrail_doctor():
    return [DoctorLine(level="note", text="the good plugin feels well")]


def greet(name: str = "world", /) -> None:
    print(f"hello {name}")


def leave() -> None:
    raise SystemExit("leaving with a message")


class One:
    classes: ClassVar[tuple[str, ...]] = ("one",)

    @classmethod
    def from_config(cls, config=None, *, spec, device=None):
        return cls()
