"""The benchmark reports what it timed. Nothing is asserted about how fast."""

from __future__ import annotations

import pytest

from vitrail.errors import UsageError
from vitrail_transface.bench import BenchOptions, bench
from vitrail_transface.plugin import VIT_S
from vitrail_transface.recognizer import TransFaceRecognizer


def test_reports_each_batch(small_config):
    component = TransFaceRecognizer.from_config(small_config, spec=VIT_S)
    calls = []
    component.module.register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0])))
    report = bench(component, options=BenchOptions(batch=(1, 3), rounds=1))
    assert list(report["times"]) == ["1 faces", "3 faces"]
    assert calls == [1] * 6 + [3] * 6  # of either kind two to warm up and one
    assert report["component"] == "transface/vit-s"
    assert report["threads"] >= 1


def test_numbers_that_do_not_do():
    with pytest.raises(UsageError, match="numbers from 1"):
        BenchOptions(batch=(0,))
