"""The benchmark reports what it timed. Nothing is asserted about how fast."""

from __future__ import annotations

import pytest

from vitrail.errors import UsageError
from vitrail_topofr.bench import BenchOptions, bench
from vitrail_topofr.plugin import TINY
from vitrail_topofr.recognizer import TopoFRRecognizer


def test_reports_each_batch(small):
    component = TopoFRRecognizer.from_config(small.config, spec=TINY)
    calls = []
    component.module.register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0])))
    report = bench(component, options=BenchOptions(batch=(1, 3), rounds=1))
    assert list(report["times"]) == ["1 faces", "3 faces"]
    assert calls == [1] * 6 + [3] * 6  # of either kind two to warm up and one
    row = report["times"]["3 faces"]
    assert row["faces a second"] == pytest.approx(3e3 / row["embed (ms)"], rel=0.02)
    assert report["component"] == "topofr/tiny"


def test_sizes_that_do_not_do():
    with pytest.raises(UsageError, match="numbers from 1"):
        BenchOptions(batch=(0,))
