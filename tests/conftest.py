"""What the tests of the whole repository share."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from vitrail.index import IndexEntry, parse


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def rows(root) -> dict[str, IndexEntry]:
    """plugins.toml at the top of the repository."""
    return parse((root / "plugins.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def available(rows) -> dict[str, IndexEntry]:
    """The rows of first-party plugins that exist."""
    return {n: entry for n, entry in rows.items() if (entry.party, entry.status) == ("first", "available")}


@pytest.fixture(scope="session")
def projects(root) -> dict[str, dict]:
    """The `project` table of every package of the workspace, by its folder."""
    files = [root / "core" / "pyproject.toml", *sorted(root.glob("packages/*/pyproject.toml"))]
    return {
        file.parent.relative_to(root).as_posix(): tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        for file in files
    }
