"""The benchmark reports what it timed. Nothing is asserted about how fast."""

from __future__ import annotations

import pytest
import torch

from vitrail.errors import UsageError
from vitrail_recognition.bench import BenchOptions, bench
from vitrail_recognition.recognizers import load_recognizer


class Wrapped:
    """The fake recogniser, with a network beside it that counts."""

    def __init__(self, inner):
        self.spec, self.device, self.embed = inner.spec, inner.device, inner.embed
        self.module, self.calls = torch.nn.Flatten(), []
        self.module.register_forward_pre_hook(lambda module, inputs: self.calls.append(len(inputs[0])))

    def prepare(self, faces):
        return torch.stack([torch.from_numpy(face) for face in faces])


def test_reports_each_batch(fakes):
    component = Wrapped(load_recognizer("fake/recognizer"))
    report = bench(component, options=BenchOptions(batch=(1, 3), rounds=1))
    assert list(report["times"]) == ["1 faces", "3 faces"]
    assert component.calls == [1] * 3 + [3] * 3  # two to warm up and one
    row = report["times"]["3 faces"]
    assert row["faces a second"] > 0
    assert set(row) == {"embed (ms)", "network (ms)", "faces a second"}
    assert report["component"] == "fake/recognizer"
    assert report["threads"] >= 1


def test_a_recogniser_without_a_network(fakes):
    report = bench(load_recognizer("fake/recognizer"), options=BenchOptions(batch=(2,), rounds=1))
    assert set(report["times"]["2 faces"]) == {"embed (ms)", "faces a second"}


@pytest.mark.parametrize("values", [{"batch": (0,)}, {"batch": ()}, {"rounds": 0}])
def test_numbers_that_do_not_do(values):
    with pytest.raises(UsageError, match="numbers from 1"):
        BenchOptions(**values)
