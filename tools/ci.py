"""The parts of continuous integration. `.ci/run` calls all of them, `.github/workflows/ci.yml` one a job.

    uv run python tools/ci.py lint tests slow alone lowest torch211
    uv run python tools/ci.py alone --only cmunet

Needs only the standard library, so that every part can prepare its own environment.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
UV = os.environ.get("UV") or shutil.which("uv") or "uv"
INI = """[pytest]
addopts = --import-mode=importlib --strict-markers -ra -p no:cacheprovider
markers =
    slow: minutes rather than seconds
    gpu: needs an NVIDIA GPU
"""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}  # where two processes run side by side
FAST, SLOW = "not slow and not gpu", "slow and not gpu"


def call(*command: object, cwd: Path = ROOT, **environment: str) -> None:
    """Run a command; raises CalledProcessError when it fails."""
    print("$", *command, flush=True)
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    subprocess.run(
        [*map(str, command)], cwd=cwd, env=clean | environment, check=True, stdin=subprocess.DEVNULL
    )


def first_party() -> dict[str, dict]:
    """Core and every available row of plugins.toml that is built here: name -> distribution, folder, extras."""
    index = tomllib.loads((ROOT / "plugins.toml").read_text())
    rows = {name: row for name, row in index.items() if row["status"] == "available" and row.get("folder")}
    core = {
        "distribution": "vitrail",
        "module": "vitrail",
        "folder": "core",
        "test_extras": ["testing", "new"],
    }
    return {"core": core, **rows}


def requirements(folder: str, extras: list[str]) -> set[str]:
    """The first-party distributions that a package and these extras of it need, directly or not."""
    packages = first_party()
    by_distribution = {row["distribution"]: row for row in packages.values()}
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    optional = project.get("optional-dependencies", {})
    found: set[str] = set()
    for text in [*project["dependencies"], *(line for extra in extras for line in optional.get(extra, []))]:
        name, wanted = re.match(r"([\w-]+)(?:\[([\w,-]+)\])?", text).groups()
        if name in by_distribution:
            deeper = [part for part in (wanted or "").split(",") if part]
            found |= {name} | requirements(by_distribution[name]["folder"], deeper)
    return found


def wheels() -> Path:
    """Build every first-party wheel, once."""
    if not os.environ.get("VITRAIL_CI_WHEELS_BUILT"):
        shutil.rmtree(DIST, ignore_errors=True)
        for row in first_party().values():
            call(UV, "build", "--quiet", "--wheel", "--out-dir", DIST, ROOT / row["folder"])
        os.environ["VITRAIL_CI_WHEELS_BUILT"] = "1"
    return DIST


def wheel(distribution: str) -> Path:
    return next(DIST.glob(f"{distribution.replace('-', '_')}-*.whl"))


def environment(home: Path, row: dict, *more: object, python: str = sys.executable) -> Path:
    """A fresh environment with one package, its test extras and what it depends on, by file path."""
    call(UV, "venv", "--quiet", "--python", python, home / "venv")
    interpreter = home / "venv" / "bin" / "python"
    extras = row.get("test_extras", [])
    siblings = sorted(requirements(row["folder"], extras) - {row["distribution"]})
    own = f"{wheel(row['distribution'])}[{','.join(extras)}]"
    call(UV, "pip", "install", "--quiet", "--python", interpreter, own, *map(wheel, siblings), *more)
    return interpreter


def run_copied_tests(home: Path, interpreter: Path, row: dict, *arguments: str) -> None:
    """Run a package's tests from a copy, so that nothing of the checkout can be imported or read."""
    tests = home / "run" / row["folder"].replace("/", "-")
    shutil.copytree(ROOT / row["folder"] / "tests", tests, ignore=shutil.ignore_patterns("__pycache__"))
    (tests / "pytest.ini").write_text(INI)
    call(
        interpreter, "-m", "pytest", "-q", *arguments, cwd=tests, VITRAIL_STRICT="1", VITRAIL_WHEELS=str(DIST)
    )


def lint() -> None:
    """Style, types of core, import rules."""
    call("ruff", "check", ".")
    call("ruff", "format", "--check", ".")
    call("mypy")
    call("lint-imports")


def tests() -> None:
    """The README's test command."""
    call(UV, "run", "pytest")


def slow() -> None:
    """The tests that take minutes, in two processes."""
    call(UV, "run", "pytest", "-m", SLOW, "-n", "2", "--dist", "loadscope", **ONE_THREAD)


def alone(only: str | None = None) -> None:
    """Every package from its wheel, in an environment with nothing else of ours; two packages at a time."""
    wheels()
    if only is not None:
        one_alone(first_party()[only])
        return
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(alone_apart, first_party()))
    failed = [name for name, passed in zip(first_party(), found, strict=True) if not passed]
    if failed:
        raise subprocess.CalledProcessError(1, ["alone", *failed])


def alone_apart(name: str) -> bool:
    """`alone --only NAME` in a process of its own, one thread; prints all it said at once. Whether it passed."""
    command = [sys.executable, __file__, "alone", "--only", name]
    done = subprocess.run(
        command, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    print(f"\n--- {name} alone: {'passed' if done.returncode == 0 else 'FAILED'}\n{done.stdout}", flush=True)
    return done.returncode == 0


def one_alone(row: dict) -> None:
    """One package from its wheel; nothing that it does not declare may be importable."""
    with tempfile.TemporaryDirectory(prefix="vitrail-alone-") as folder:
        home = Path(folder)
        interpreter = environment(home, row)
        allowed = requirements(row["folder"], row.get("test_extras", [])) | {row["distribution"]}
        strangers = [r["module"] for r in first_party().values() if r["distribution"] not in allowed]
        code = (
            "import importlib.util, sys\n"
            f"found = [n for n in {strangers!r} if importlib.util.find_spec(n)]\n"
            "sys.exit(f'importable though not declared: {found}' if found else 0)"
        )
        call(interpreter, "-c", code, cwd=home)
        run_copied_tests(home, interpreter, row, "-m", FAST)


def lowest() -> None:
    """Core with the oldest versions that it says it works with."""
    wheels()
    row = first_party()["core"]
    with tempfile.TemporaryDirectory(prefix="vitrail-lowest-") as folder:
        interpreter = environment(Path(folder), row, "--resolution", "lowest-direct")
        run_copied_tests(Path(folder), interpreter, row, "-m", FAST)


def find_python(version: str) -> str:
    """An interpreter of this version; the running one, and a line that says so, where there is none."""
    found = subprocess.run([UV, "python", "find", version], capture_output=True, text=True)
    if found.returncode == 0:
        return found.stdout.strip()
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    pyenv = sorted(root.glob(f"versions/{version}.*/bin/python"))
    if pyenv:
        return str(pyenv[-1])
    print(f"there is no Python {version} here; {sys.version.split()[0]} is used", flush=True)
    return sys.executable


def torch211() -> None:
    """The kernels on the oldest torch and triton that they must run on."""
    wheels()
    python = find_python("3.12")
    failed = []
    for name, row in first_party().items():
        if not (ROOT / row["folder"] / "tests" / "kernels").is_dir():
            continue
        print(f"\n--- {row['distribution']}'s kernels on torch 2.11", flush=True)
        with tempfile.TemporaryDirectory(prefix="vitrail-torch211-") as folder:
            home = Path(folder)
            try:
                interpreter = environment(home, row, "torch==2.11.*", "torchvision==0.26.*", python=python)
                run_copied_tests(home, interpreter, row, "-m", FAST, "kernels")
            except subprocess.CalledProcessError as error:
                print(f"--- {row['distribution']} FAILED: {error}", flush=True)
                failed.append(name)
    if failed:
        raise subprocess.CalledProcessError(1, ["torch211", *failed])


def names() -> None:
    """The packages, as JSON for a matrix."""
    print(json.dumps(list(first_party())))


PARTS = {part.__name__: part for part in (lint, tests, slow, alone, lowest, torch211, names)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--only", help="with `alone`: one package")
    arguments = parser.parse_args()
    date = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-newer"]
    os.environ.setdefault("UV_EXCLUDE_NEWER", date)
    if arguments.parts == ["names"]:
        names()
        return 0
    failed = []
    for name in arguments.parts:
        print(f"\n=== {name}: {PARTS[name].__doc__}", flush=True)
        start = time.monotonic()
        try:
            PARTS[name](arguments.only) if name == "alone" else PARTS[name]()
        except (subprocess.CalledProcessError, StopIteration, OSError) as error:
            print(f"=== {name} FAILED: {error}", flush=True)
            failed.append(name)
        print(f"=== {name} took {time.monotonic() - start:.0f} s", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
