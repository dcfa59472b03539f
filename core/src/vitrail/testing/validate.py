"""Runs the checks without pytest, for `vitrail plugins validate`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from vitrail.errors import NotInstalledError
from vitrail.loading import find_component, find_plugin
from vitrail.manager import current
from vitrail.testing.registry import Skip, checks_of
from vitrail.testing.subject import Subject

GROUPS = {
    "recognizer": ("config", "component", "batch", "recognizer"),
    "segmenter": ("config", "component", "batch", "segmenter"),
    "generator": ("config", "component", "generator"),
    "animator": ("config", "component", "animator"),
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one check found."""

    subject: str
    check: str
    result: Literal["passed", "failed", "skipped"]
    text: str = ""


def validate(name: str) -> list[Outcome]:
    """Check a plugin and all its components, or the one component `name`.

    A component without weights on this machine is checked untrained.
    """
    plugin = name.partition("/")[0]
    record = current().record(plugin)
    if record is None:
        find_plugin(plugin)
    outcomes = list(_run(plugin, record, "packaging"))
    if record is None or record.status != "ok":
        return outcomes
    specs = [find_component(name)] if "/" in name else list(record.components)
    for spec in specs:
        subject = Subject(spec.id)
        try:
            subject.component  # noqa: B018  (loads it)
        except NotInstalledError:
            subject = Subject(spec.id, weights="random")
        except Exception as error:
            outcomes.append(Outcome(subject=spec.id, check="loads", result="failed", text=_sentence(error)))
            continue
        outcomes += _run(spec.id, subject, *GROUPS[spec.kind])
    return outcomes


def _run(name: str, subject: Any, *groups: str) -> Iterator[Outcome]:
    for check, function in checks_of(*groups).items():
        try:
            function(subject)
        except Skip as skipped:
            yield Outcome(subject=name, check=check, result="skipped", text=str(skipped))
        except Exception as error:
            yield Outcome(subject=name, check=check, result="failed", text=_sentence(error))
        else:
            yield Outcome(subject=name, check=check, result="passed")


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, AssertionError) else f"{type(error).__name__}: {text}"
