"""Photographs from packages that may be installed, and the command line over the fake recogniser."""

from __future__ import annotations

import functools
from importlib.metadata import EntryPoint

import numpy as np
import pytest


@pytest.fixture(scope="session")
def astronaut():
    """One frontal portrait, 512x512, public domain."""
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the photograph")
    return np.asarray(data.astronaut())


@pytest.fixture(scope="session")
def group():
    """Six people, 1280x886."""
    data = pytest.importorskip("insightface.data", reason="insightface brings the photograph")
    return np.ascontiguousarray(data.get_image("t1", to_rgb=True))


@pytest.fixture
def use(monkeypatch):
    """use(*entry_points) makes them the only plugins of this process, and returns their manager."""
    from vitrail import manager

    def use(*points: EntryPoint) -> manager.Manager:
        built = manager.Manager(points)
        monkeypatch.setattr(manager, "current", functools.cache(lambda: built))
        return built

    return use


@pytest.fixture
def fakes(use):
    """This package and the plugin `vitrail.testing.fakes`, and no other."""
    pytest.importorskip("vitrail.testing.fakes")
    group = "vitrail.plugins"
    return use(
        EntryPoint(name="fake", value="vitrail.testing.fakes", group=group),
        EntryPoint(name="recognition", value="vitrail_recognition.plugin", group=group),
    )


@pytest.fixture
def vitrail(capsys):
    """vitrail(*words) -> (exit code, stdout, stderr) of the command line, run in this process."""
    from vitrail.cli.main import run

    def vitrail(*words: object) -> tuple[int, str, str]:
        code = run([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return vitrail
