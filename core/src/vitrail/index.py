"""plugins.toml, the index of known plugins: what exists, who makes it, how to get it.

It feeds messages, the README's table and CI. It is never how installed plugins are found. The file at the
top of the repository and the copy in this package are the same; a test compares both with reality.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """A row of plugins.toml. status: "available" or "planned"; party: "first" or "third"."""

    name: str
    kind: str
    distribution: str
    module: str
    summary: str
    status: Literal["available", "planned"]
    install: str
    folder: str = ""
    entry_point: str = ""
    components: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    test_extras: tuple[str, ...] = ()
    api: str = "1.0"
    licence: str = ""
    weights_licence: str = ""
    paper: str = ""
    title: str = ""
    party: Literal["first", "third"] = "first"

    def how_to_get(self, asked: str) -> str:
        """One message for somebody who asked for something that is not installed."""
        if self.status == "planned":
            return (
                f"{asked} is planned and cannot be installed yet ({self.summary}). "
                "`vitrail plugins list` shows what can be used today."
            )
        return f"{asked} comes with {self.distribution}, which is not installed. Install it: {self.install}"


@lru_cache(maxsize=1)
def plugins() -> dict[str, IndexEntry]:
    """Every row by name, in the file's order."""
    return parse(files("vitrail").joinpath("plugins.toml").read_text(encoding="utf-8"))


def parse(text: str) -> dict[str, IndexEntry]:
    """Read the text of a plugins.toml; ValueError for a row with a missing or unknown field."""
    known = {field.name for field in fields(IndexEntry)}
    rows: dict[str, IndexEntry] = {}
    for name, values in tomllib.loads(text).items():
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"plugins.toml: {name} has unknown fields: {', '.join(unknown)}")
        plain: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        try:
            rows[name] = IndexEntry(name=name, **plain)
        except TypeError as error:
            raise ValueError(f"plugins.toml: {name}: {error}") from error
    return rows


def verb_owner(verb: str) -> IndexEntry | None:
    """Which known plugin brings this verb."""
    return next((entry for entry in plugins().values() if verb in entry.verbs), None)
