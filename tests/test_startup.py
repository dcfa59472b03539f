"""With every package of the workspace installed, looking at plugins stays light and fast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

HEAVY = {"torch", "numpy", "PIL", "triton", "diffusers", "cv2", "rasterio", "numba"}
LIMIT = 0.3


@pytest.fixture(scope="module")
def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("VITRAIL_")}


def imported_by(words, environment):
    code = "import sys; from vitrail.cli.main import run; code = run(sys.argv[1:])"
    code += "; print(*sys.modules, sep='\\n', file=sys.stderr); sys.exit(code)"
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    names = done.stderr.splitlines()
    assert "vitrail.manager" in names
    return {name.partition(".")[0] for name in names}, done.stdout


@pytest.mark.parametrize("words", [("plugins", "list"), ("plugins", "list", "--json"), ("--help",)])
def test_nothing_heavy_is_imported(words, environment, available):
    imported, shown = imported_by(words, environment)
    assert imported & HEAVY == set()
    assert {entry.module for entry in available.values()} <= imported  # they were all looked at
    if "--json" in words:
        status = {row["name"]: row["status"] for row in json.loads(shown)["plugins"]}
        assert {name: status.get(name) for name in available} == dict.fromkeys(available, "ok")


def test_the_list_takes_less_than_300_milliseconds(environment):
    """Warm. The fastest of up to 30 runs; where other work keeps every processor busy, its processor time."""
    command = [sys.executable, "-m", "vitrail", "plugins", "list"]
    subprocess.run(command, env=environment, capture_output=True, check=True)
    walls, processor = [], []
    for _ in range(30):
        start = time.perf_counter()
        running = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
        walls.append(time.perf_counter() - start)
        processor.append(used.ru_utime + used.ru_stime)
        assert running.returncode == 0
        if len(walls) >= 7 and min(walls) < LIMIT:
            return
    busy = os.getloadavg()[0] > (os.cpu_count() or 1)
    fastest = min(processor) if busy else min(walls)
    assert fastest < LIMIT, f"the fastest of {len(walls)} runs took {fastest:.2f} s"
