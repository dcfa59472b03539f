from __future__ import annotations

import subprocess
import sys

import pytest

from vitrail_training.kernels import memory

SCRIPT = """
import numpy as np
from vitrail_training.kernels.memory import peak_growth

def needs(megabytes):
    return lambda: np.ones(megabytes << 17).sum()

needs(300)()  # held and given back before: it must not count
print(peak_growth(needs(100)), peak_growth(lambda: None))
"""


@pytest.mark.skipif(not memory.PEAK_RESET.exists(), reason="this system tells no peaks of memory")
def test_it_is_what_the_call_needs():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    used, nothing = map(float, done.stdout.split())
    assert 95 < used < 115
    assert nothing < 5


def test_a_system_that_tells_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "PEAK_RESET", tmp_path / "missing" / "file")
    assert memory.peak_growth(lambda: None) is None
