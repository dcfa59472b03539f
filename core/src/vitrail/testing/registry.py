"""Collects the checks by group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Check = Callable[[Any], None]
CHECKS: dict[str, dict[str, Check]] = {}
F = TypeVar("F", bound=Check)


class Skip(Exception):
    """Raised by a check that does not apply; the text says why."""


def check(group: str) -> Callable[[F], F]:
    """Register a function as a check of a group. Its docstring's first line is what it demands."""

    def register(function: F) -> F:
        CHECKS.setdefault(group, {})[function.__name__.removeprefix("check_")] = function
        return function

    return register


def checks_of(*groups: str) -> dict[str, Check]:
    """The checks of these groups by name, in the order in which they were written."""
    import vitrail.testing.checks  # noqa: F401  (fills the registry)

    return {name: function for group in groups for name, function in CHECKS.get(group, {}).items()}


def demand(condition: bool, message: str) -> None:
    """An assertion that does not depend on `python -O`."""
    if not condition:
        raise AssertionError(message)
