"""The tool that brings photographs out of packages, with packages that are made here."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from vitrail_recognition.faces import FaceFinder

TOOL = Path(__file__).parents[1] / "tools" / "photographs.py"
pytestmark = pytest.mark.skipif(
    not TOOL.is_file(), reason="tools are part of a checkout, not of a wheel's tests"
)


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("photographs", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["photographs"] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["photographs"]


@pytest.fixture
def packages(tool, astronaut, tmp_path, monkeypatch):
    """A wheel and a .tar.gz with a portrait each; the first also names one that is not there."""
    portrait = tmp_path / "portrait.png"
    Image.fromarray(astronaut).save(portrait)
    wheel, sdist = tmp_path / "made-1.whl", tmp_path / "made-2.tar.gz"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(portrait, "data/portrait.png")
    with tarfile.open(sdist, "w:gz") as archive:
        archive.add(portrait, "made/portrait.png")

    def source(path, people, digest="", part="development"):
        digest = digest or hashlib.sha256(path.read_bytes()).hexdigest()
        return tool.Source(path.name, part, ("cp", str(path), "."), digest, people)

    sources = (
        source(wheel, {"eileen": ("data/portrait.png", "data/gone.png")}),
        source(sdist, {"*": ("made/portrait.png",)}, part="report"),
        source(sdist, {"never": ("made/portrait.png",)}, digest="0" * 64),
        tool.Source("nowhere", "development", ("no-such-program",), "", {}),
    )
    monkeypatch.setattr(tool, "SOURCES", sources)
    return sources


def test_what_can_be_had_is_written_and_the_rest_is_said(tool, packages, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    counts = tool.write_people(out, FaceFinder())
    counts.pop("astronaut", None)  # scikit-image's, where it is installed
    assert counts == {"eileen": 1, "made-2.tar.gz-0": 1}
    assert Image.open(out / "eileen" / "00.png").size == (112, 112)
    said = capsys.readouterr().err
    for words in ("holds no data/gone.png", f"wanted is {'0' * 64}", "there is no no-such-program here"):
        assert words in said


def test_one_part_alone_is_written(tool, packages, tmp_path):
    for part, wanted in (("development", {"eileen"}), ("report", {"made-2.tar.gz-0"})):
        out = tmp_path / part
        out.mkdir()
        assert set(tool.write_people(out, FaceFinder(), part)) - {"astronaut"} == wanted


def test_a_download_that_hangs_and_a_damaged_package_are_reasons(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "MOST_SECONDS", 0.2)
    with pytest.raises(RuntimeError, match=r"did not come within 0\.2 seconds"):
        tool.fetch(tool.Source("slow", "report", ("sleep", "30"), "", {}), tmp_path)
    broken = tmp_path / "a.tar.gz"
    broken.write_bytes(b"no archive")
    with pytest.raises(tool.InputError, match=r"a\.tar\.gz is damaged"):
        tool.photograph(broken, "x.png")
