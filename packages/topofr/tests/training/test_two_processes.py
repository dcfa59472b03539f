"""Two gloo processes train TopoFR as one does: shared-out class centres with momentum, shared-out verification."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitrail_recognition.testing import check_two_processes_equal_one, check_two_processes_resume


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    ended = check_two_processes_equal_one(Path(__file__).with_name("two_processes.py"), tmp_path)
    assert ended.weights.keys() >= {"weight", "features.weight"}
    assert ended.weights["weight"].shape == (5, 12)


@pytest.mark.slow
def test_the_whole_method_in_two_processes_goes_on_where_it_stopped(tmp_path):
    check_two_processes_resume(Path(__file__).with_name("whole_method.py"), tmp_path)
