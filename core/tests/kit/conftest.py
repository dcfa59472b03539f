"""The fakes as an installed plugin: a real distribution on sys.path, found by its entry point."""

import sys
from pathlib import Path

import pytest

from vitrail import manager

sys.path.insert(0, str(Path(__file__).parent))  # the modules that break things

METADATA = """Metadata-Version: 2.4
Name: vitrail-fakes
Version: 1.0
Summary: fakes
License-Expression: Apache-2.0
Requires-Dist: vitrail>=0.1,<1
"""


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    info = tmp_path / "site" / "vitrail_fakes-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text("[vitrail.plugins]\nfake = vitrail.testing.fakes\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("VITRAIL_PLUGINS", "fake")
    monkeypatch.delenv("VITRAIL_STRICT", raising=False)  # a broken plugin is a record here, not an error
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    manager.current.cache_clear()
    yield sys.path[0]
    manager.current.cache_clear()
