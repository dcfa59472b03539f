"""Configs as plain data: a frozen dataclass from what JSON, TOML or YAML hold, with its types checked."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from vitrail.errors import BrokenError


class _Misfit(Exception):
    """A value that the annotation of its field does not allow."""


def from_dict(config_class: type, values: Any, *, where: str) -> Any:
    """Build a frozen dataclass, nested ones included, from plain data; lists become tuples.

    where: the file or place, for messages. Raises BrokenError for unknown fields and values of another type.
    """
    if not isinstance(values, Mapping):
        raise BrokenError(
            f"{where} gives a {type(values).__name__} for {config_class.__name__}; wanted are its fields."
        )
    known = {f.name for f in fields(config_class)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise BrokenError(
            f"{where} has {', '.join(unknown)}, which {config_class.__name__} does not know; it knows "
            f"{', '.join(sorted(known))}."
        )
    hints = get_type_hints(config_class)
    built = {}
    for name, value in values.items():
        try:
            built[name] = _fit(hints[name], value, where)
        except _Misfit as error:
            wanted = _words(hints[name])
            raise BrokenError(f"{where} gives {value!r} for {name}; wanted is {wanted}.") from error
    try:
        return config_class(**built)
    except (TypeError, ValueError) as error:
        raise BrokenError(f"{where} does not make a {config_class.__name__}: {error}") from error


def _fit(hint: Any, value: Any, where: str) -> Any:
    """The value as the annotation wants it; _Misfit where it cannot be that."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _fit_any(arguments, value, where)
    if origin is Literal:
        return _demand(any(type(value) is type(a) and value == a for a in arguments), value)
    if origin is tuple and isinstance(value, list | tuple):
        hints = arguments[:1] * len(value) if arguments[1:] == (...,) else arguments
        _demand(len(hints) == len(value), value)
        return tuple(_fit(h, item, where) for h, item in zip(hints, value, strict=True))
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return from_dict(hint, value, where=where)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float:
        return _demand(isinstance(value, int | float) and not isinstance(value, bool), value)
    if hint is int:
        return _demand(isinstance(value, int) and not isinstance(value, bool), value)
    kind = hint if isinstance(hint, type) else origin
    if isinstance(kind, type):
        return _demand(isinstance(value, kind), value)
    return value  # an annotation that says nothing here, such as Any


def _fit_any(hints: tuple[Any, ...], value: Any, where: str) -> Any:
    if value == "none" and types.NoneType in hints and str not in hints:  # TOML has no null
        return None
    # text stays text where both are allowed
    for hint in sorted(hints, key=lambda hint: hint is Path):
        try:
            return _fit(hint, value, where)
        except _Misfit:
            continue
    raise _Misfit


def _demand(condition: bool, value: Any) -> Any:
    if not condition:
        raise _Misfit
    return value


def _words(hint: Any) -> str:
    """An annotation as a message says it."""
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_words(argument) for argument in get_args(hint))
    if get_origin(hint) is Literal:
        return " or ".join(repr(argument) for argument in get_args(hint))
    if hint is types.NoneType:
        return "None"
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
