from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.skipif(not README.exists(), reason="the README is not part of the wheel")
def test_the_example_runs_as_it_stands_and_resumes(tmp_path):
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)[1]
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    said = re.match(r"accuracy ([\d.]+) at step [123]00, weights in runs/spirals/best\n", done.stdout)
    assert float(said[1]) > 0.95
    files = {path.name for path in (tmp_path / "runs" / "spirals").iterdir()}
    assert files == {"fit.json", "metrics.jsonl", "best", "final", "checkpoints", "result.json"}
    assert (tmp_path / "runs/spirals/checkpoints/step-000300").is_dir()
