"""The benchmark reports what it timed. Nothing is asserted about how fast."""

from __future__ import annotations

import pytest

from vitrail.errors import UsageError
from vitrail_cmunet.bench import bench
from vitrail_cmunet.config import CMUNetConfig
from vitrail_cmunet.plugin import RESNET18
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_segmentation.bench import BenchOptions


def test_reports_each_size():
    component = CMUNetSegmenter.from_config(CMUNetConfig(width=16), spec=RESNET18)
    calls = []
    component.module.register_forward_pre_hook(lambda module, inputs: calls.append(tuple(inputs[0].shape)))
    report = bench(component, options=BenchOptions(size=(32, 64), batch=2, rounds=1))
    assert list(report["times"]) == ["32x32", "64x64"]
    assert calls == [(2, 3, 32, 32)] * 6 + [(2, 3, 64, 64)] * 6  # of either kind two to warm up and one
    row = report["times"]["64x64"]
    assert row["megapixels a second"] == pytest.approx(2 * 64 * 64 / row["segment (ms)"] / 1e3, abs=0.01)
    assert report["component"] == "cmunet/resnet18"
    assert report["threads"] >= 1


def test_sizes_that_do_not_do():
    with pytest.raises(UsageError, match="numbers from 1"):
        BenchOptions(size=(0,))
