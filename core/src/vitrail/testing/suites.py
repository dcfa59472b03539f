"""The checks as pytest classes. A plugin's tests subclass them and name a component.

Every standard check is a method `test_<check>`. A subclass that replaces or removes one must say why in
`overrides`; a component that is known to miss one says why in `quirks`, and the check must then fail: a quirk
that is no longer needed is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from vitrail.loading import find_component
from vitrail.manager import current
from vitrail.testing.checks.kernel import KernelSubject
from vitrail.testing.checks.train import TrainSubject
from vitrail.testing.registry import Check, Skip, checks_of, demand
from vitrail.testing.subject import Subject


class Suite:
    """What the suites share."""

    groups: ClassVar[tuple[str, ...]] = ()
    overrides: ClassVar[dict[str, str]] = {}
    quirks: ClassVar[dict[str, str]] = {}

    def subject(self) -> Any:
        raise NotImplementedError

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "groups" in cls.__dict__:
            for name, function in checks_of(*cls.groups).items():
                setattr(cls, f"test_{name}", _as_method(name, function))

    def test_standard_checks_are_all_there(self) -> None:
        """No standard check was replaced, removed or excused without a reason."""
        standard = checks_of(*self.groups)
        changed = {
            name
            for name in standard
            if getattr(getattr(type(self), f"test_{name}", None), "standard_check", None) != name
        }
        unexplained = sorted(name for name in changed if not self.overrides.get(name))
        demand(
            not unexplained,
            f"standard checks changed without a reason in `overrides`: {', '.join(unexplained)}",
        )
        stale = sorted(set(self.overrides) - changed)
        demand(not stale, f"`overrides` names checks that are not changed: {', '.join(stale)}")
        unknown = sorted(set(self.quirks) - set(standard))
        demand(not unknown, f"`quirks` names checks that do not exist: {', '.join(unknown)}")
        empty = sorted(name for name, reason in self.quirks.items() if not reason)
        demand(not empty, f"`quirks` gives no reason for {', '.join(empty)}")


def _as_method(name: str, function: Check) -> Callable[[Suite], None]:
    def method(self: Suite) -> None:
        reason = self.quirks.get(name)
        try:
            function(self.subject())
        except Skip as skipped:
            pytest.skip(str(skipped))
        except Exception:
            if reason is None:
                raise
            pytest.xfail(reason)
        if reason is not None:
            pytest.fail(f"the quirk {name!r} ({reason}) is no longer needed: the check passes. Remove it.")

    method.__name__ = f"test_{name}"
    method.__doc__ = function.__doc__
    method.standard_check = name  # type: ignore[attr-defined]
    return method


class PluginSuite(Suite):
    """A plugin's packaging. plugin: its entry-point name."""

    groups = ("packaging",)
    plugin: ClassVar[str]

    def subject(self) -> Any:
        record = current().record(self.plugin)
        demand(record is not None, f"no plugin {self.plugin!r} is installed; install your package first.")
        return record


class ComponentSuite(Suite):
    """One component. component: its id; weights: as for `vitrail.load`."""

    component: ClassVar[str]
    weights: ClassVar[Path | str | None] = None
    kind: ClassVar[str] = ""
    _subjects: ClassVar[dict[tuple[str, str], Subject]] = {}

    def subject(self) -> Subject:
        key = (self.component, str(self.weights))
        if key not in self._subjects:  # loading can take seconds, so once a session
            self._subjects[key] = Subject(self.component, weights=self.weights)
        found = self._subjects[key]
        demand(found.spec.kind == self.kind, f"{self.component} is a {found.spec.kind}, not a {self.kind}.")
        return found


class RecognizerSuite(ComponentSuite):
    """A recognizer."""

    kind = "recognizer"
    groups = ("config", "component", "batch", "recognizer")


class SegmenterSuite(ComponentSuite):
    """A segmenter."""

    kind = "segmenter"
    groups = ("config", "component", "batch", "segmenter")


class GeneratorSuite(ComponentSuite):
    """A generator."""

    kind = "generator"
    groups = ("config", "component", "generator")


class AnimatorSuite(ComponentSuite):
    """An animator."""

    kind = "animator"
    groups = ("config", "component", "animator")


class TrainSuite(Suite):
    """A trainer. component: the id whose spec names it; `config()` gives one that trains in seconds."""

    groups = ("train",)
    component: ClassVar[str]

    def config(self) -> Any:
        raise NotImplementedError

    def subject(self) -> TrainSubject:
        return TrainSubject(spec=find_component(self.component), config=self.config())


class KernelSuite(Suite):
    """A kernel against its reference; needs vitrail-training. `kernel()` names both and the cases."""

    groups = ("kernel",)

    def kernel(self) -> KernelSubject:
        raise NotImplementedError

    def subject(self) -> KernelSubject:
        return self.kernel()
