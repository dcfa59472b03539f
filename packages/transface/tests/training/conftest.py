"""Made-up people as a folder of identities."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vitrail_recognition.testing import make_people


@pytest.fixture(scope="session")
def people() -> Callable[..., Path]:
    return make_people


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Four identities with four pictures. Not to be changed."""
    return make_people(tmp_path_factory.mktemp("people") / "four")
