"""A plugin that was written for plugin API 1.0 still passes the kit, from a wheel of its unchanged sources."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "plugin"
UV = os.environ.get("UV") or shutil.which("uv")
# The promise is about these very bytes. If this fails, put the files back; do not change the number.
UNCHANGED = "b3d0c80610de2c0caa7b0e57f3f497469d309466ea7ee19fed13d41dae8b62e1"


def test_the_sources_are_unchanged():
    digest = hashlib.sha256()
    for path in sorted(HERE.glob("*.*")):
        digest.update(path.name.encode() + path.read_bytes())
    assert digest.hexdigest() == UNCHANGED


@pytest.mark.skipif(UV is None, reason="needs uv to build a wheel")
def test_a_plugin_of_api_1_0_passes_the_kit(tmp_path):
    subprocess.run([UV, "build", "--quiet", "--wheel", "--out-dir", tmp_path, HERE], check=True, timeout=300)
    wheel = next(tmp_path.glob("*.whl"))
    site = tmp_path / "site"
    install = [
        UV,
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--python",
        sys.executable,
        "--target",
        site,
        wheel,
    ]
    subprocess.run(install, check=True, timeout=300)

    def vitrail(*arguments):
        environment = os.environ | {
            "PYTHONPATH": str(site),
            "VITRAIL_PLUGINS": "first",
            "VITRAIL_STRICT": "1",
        }
        command = [sys.executable, "-m", "vitrail", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)

    checked = vitrail("plugins", "validate", "first")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "failed" not in checked.stdout
    assert checked.stdout.count("passed") > 15
    assert vitrail("first").stdout == vitrail("first-too").stdout == "hello from the first day\n"
