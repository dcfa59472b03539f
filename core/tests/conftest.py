"""Fixtures: plugins as real installed wheels, the command line as a process, and plugins made on the spot."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from vitrail import manager
from vitrail.hookspecs import ENTRY_POINT_GROUP, hookimpl

PLUGINS = Path(__file__).parent / "plugins"


@pytest.fixture(scope="session")
def uv() -> str:
    found = os.environ.get("UV") or shutil.which("uv")
    if not found:
        pytest.skip("uv is not installed: no wheels of plugins can be built")
    return found


@pytest.fixture(scope="session")
def wheels(uv, tmp_path_factory) -> dict[str, Path]:
    """Every distribution under plugins/, built: folder name -> wheel."""
    work = tmp_path_factory.mktemp("wheels")
    sources = shutil.copytree(PLUGINS, work / "sources", ignore=shutil.ignore_patterns("__pycache__"))

    def build(name: str) -> Path:
        out = work / "built" / name
        command = [uv, "build", "--wheel", "--out-dir", str(out), str(sources / name)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=work)
        assert done.returncode == 0, done.stderr
        return next(out.glob("*.whl"))

    names = sorted(folder.name for folder in sources.iterdir())
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(names, pool.map(build, names), strict=True))


@pytest.fixture(scope="session")
def install(uv, wheels, tmp_path_factory):
    """install(*names) -> a folder for PYTHONPATH with these distributions in it."""

    @functools.cache
    def install(*names: str) -> Path:
        site = tmp_path_factory.mktemp("site")
        chosen = [str(wheels[name]) for name in names]
        command = [
            uv,
            "pip",
            "install",
            "--no-deps",
            "--python",
            sys.executable,
            "--target",
            str(site),
            *chosen,
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=site)
        assert done.returncode == 0, done.stderr
        return site

    return install


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """environment(site, **more) -> the variables of a process that sees `site` and none of our own settings."""
    cache = tmp_path_factory.mktemp("cache")

    def environment(site: Path | None = None, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("VITRAIL_") and k != "PYTHONPATH"}
        path = {} if site is None else {"PYTHONPATH": str(site)}
        return {**kept, **path, "VITRAIL_CACHE": str(cache), "COLUMNS": "120", **more}

    return environment


@pytest.fixture(scope="session")
def vitrail(environment, tmp_path_factory):
    """vitrail(*words, site=..., cwd=..., **variables) -> the finished process of `python -m vitrail WORDS`."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def vitrail(*words: object, site: Path | None = None, cwd: Path = elsewhere, **variables: str):
        return subprocess.run(
            [sys.executable, "-m", "vitrail", *map(str, words)],
            env=environment(site, **variables),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return vitrail


@pytest.fixture
def plugin(monkeypatch):
    """plugin(name, components=..., commands=..., doctor=...) -> the entry point of a module made on the spot.

    A value that is callable becomes the body of its hook; anything else is what the hook returns.
    """

    def plugin(name: str, **hooks: object) -> EntryPoint:
        module = ModuleType(f"vitrail_made_{name.replace('-', '_')}")
        for hook, answer in hooks.items():
            body = answer if callable(answer) else _constant(answer)
            setattr(module, f"vitrail_{hook}", hookimpl(body))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return EntryPoint(name=name, value=module.__name__, group=ENTRY_POINT_GROUP)

    return plugin


@pytest.fixture
def use(monkeypatch):
    """use(*entry_points) makes them the only plugins of this process, and returns their manager."""

    def use(*points: EntryPoint) -> manager.Manager:
        built = manager.Manager(points)
        monkeypatch.setattr(manager, "current", functools.cache(lambda: built))
        return built

    return use


@pytest.fixture
def cli(capsys):
    """cli(*words) -> (exit code, stdout, stderr) of the command line, run in this process."""
    from vitrail.cli.main import run

    def cli(*words: object) -> tuple[int, str, str]:
        code = run([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return cli


@pytest.fixture
def fakes(use) -> manager.Manager:
    """The plugin `vitrail.testing.fakes` and no other."""
    return use(EntryPoint(name="fake", value="vitrail.testing.fakes", group=ENTRY_POINT_GROUP))


def _constant(value: object):
    def body() -> object:
        return value

    return body
