"""A plugin of each kind is rendered, built, installed in a fresh environment, and passes the kit on its first run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vitrail
from vitrail.cli.main import run
from vitrail.specs import KINDS

pytest.importorskip("copier", reason='needs pip install "vitrail[new]"')
UV = os.environ.get("UV") or shutil.which("uv")


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_is_rendered(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["plugins", "new", kind, "flood-map", "--author", "Ada"]) == 0
    folder = tmp_path / "vitrail-flood-map"
    for path in folder.rglob("*.py"):
        compile(path.read_text(), path, "exec")
    assert 'flood-map = "vitrail_flood_map.plugin"' in (folder / "pyproject.toml").read_text()
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "pyproject.toml", "README.md", "ci.yml", "__init__.py", "plugin.py", "component.py",
        "test_vitrail_flood_map.py",
    }  # fmt: skip
    assert not any("{{" in path.read_text() or "{%" in path.read_text() for path in folder.rglob("*.py"))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["painter", "x"], "no kind 'painter'"),
        (["segmenter", "Flood Map"], "cannot name a plugin"),
        (["segmenter", "full"], "not an empty folder"),
    ],
)
def test_bad_requests_write_nothing(arguments, text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vitrail-full").mkdir()
    (tmp_path / "vitrail-full" / "mine").touch()
    assert run(["plugins", "new", *arguments]) == 2
    assert text in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in tmp_path.rglob("*")] == ["vitrail-full", "mine"]


@pytest.mark.slow
@pytest.mark.skipif(UV is None, reason="needs uv to build wheels and make environments")
def test_rendered_plugins_pass_the_kit_from_their_wheels(tmp_path):
    """Four wheels in one fresh environment, each package's own tests run from outside its sources."""
    core = _core_wheel(tmp_path)
    wheels = []
    for kind in KINDS:
        folder = tmp_path / kind
        assert run(["plugins", "new", kind, f"my-{kind}", "--out", str(folder)]) == 0
        _call(UV, "build", "--quiet", "--wheel", "--out-dir", tmp_path / "dist", folder)
        wheels.append(tmp_path / "dist" / f"vitrail_my_{kind}-0.1.0-py3-none-any.whl")
    environment = tmp_path / "environment"
    _call(UV, "venv", "--quiet", "--python", sys.executable, environment)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    _call(UV, "pip", "install", "--quiet", "--python", python, f"{core}[testing]", *wheels)
    for kind in KINDS:
        shutil.copytree(tmp_path / kind / "tests", tmp_path / "run" / kind)
        outcome = _call(
            python, "-m", "pytest", "-q", "--import-mode=importlib", ".", cwd=tmp_path / "run" / kind
        )
        assert " passed" in outcome, outcome
        assert "failed" not in outcome, outcome


def _core_wheel(tmp_path: Path) -> Path:
    """The wheel under test if one is named, else one built from the sources that are being tested."""
    if "VITRAIL_WHEELS" in os.environ:
        return next(Path(os.environ["VITRAIL_WHEELS"]).glob("vitrail-*.whl"))
    source = Path(vitrail.__file__).parents[2]
    if not (source / "pyproject.toml").is_file():
        pytest.skip("vitrail is installed from a wheel, and VITRAIL_WHEELS does not say where it lies")
    _call(UV, "build", "--quiet", "--wheel", "--out-dir", tmp_path / "dist", source)
    return next((tmp_path / "dist").glob("vitrail-*.whl"))


def _call(*command, cwd=None) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"VITRAIL_STRICT": "1"}
    ran = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )
    assert ran.returncode == 0, f"{command[0]} {command[1]}: {ran.stdout[-3000:]}{ran.stderr[-3000:]}"
    return ran.stdout
