"""Checks that the configs of segmenters share: one sentence about the first value that cannot be."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from vitrail.errors import UsageError


def check_literals(config: Any) -> None:
    """Raises UsageError where a field that is annotated as a Literal has another value."""
    for name, hint in get_type_hints(type(config)).items():
        value = getattr(config, name)
        if get_origin(hint) is Literal and value not in get_args(hint):
            raise UsageError(f"{name} is {value!r}; wanted is one of {', '.join(get_args(hint))}.")


def check_at_least(config: Any, **least: float) -> None:
    """Raises UsageError where a field is below its `least` value, or not a number."""
    for f in fields(config):
        value = getattr(config, f.name)
        if f.name in least and not value >= least[f.name]:
            raise UsageError(f"{f.name} is {value}; wanted is at least {least[f.name]}.")
