"""Verbs end to end: the fakes, installed from a wheel or in this process, and files on disk."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from vitrail.results import Audio


@pytest.fixture(scope="module")
def site(install):
    return install("fakes")


@pytest.fixture
def process(vitrail, site, tmp_path):
    """process(*words) in an empty folder, with no plugin but the fakes, installed."""

    def process(*words, code=0, **variables):
        done = vitrail(*words, site=site, cwd=tmp_path, VITRAIL_PLUGINS="fake", **variables)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return process


@pytest.fixture
def run(cli, fakes, tmp_path, monkeypatch):
    """run(*words): as `process`, in this process, which is faster."""
    monkeypatch.chdir(tmp_path)

    def run(*words, code=0):
        found, out, said = cli(*words)
        assert found == code, out + said
        return SimpleNamespace(stdout=out, stderr=said)

    return run


@pytest.fixture
def speech(tmp_path):
    wave = np.sin(np.arange(4000) / 4).astype(np.float32) / 3
    return Audio(samples=wave, rate=8000).save(tmp_path / "speech.wav")


@pytest.fixture
def names():
    """names(folder): what lies in it."""
    return lambda folder: sorted(path.name for path in folder.iterdir())
