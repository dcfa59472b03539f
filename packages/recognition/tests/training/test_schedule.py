"""The learning rate of the recognisers' recipes beside insightface's PolyScheduler."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitrail_training.config import FitConfig
from vitrail_training.schedule import learning_rate

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "recognition_golden.json").read_text())["poly_lr"]


@pytest.mark.parametrize("warmup", [0, 10])
def test_it_falls_as_theirs_one_step_earlier(warmup):
    """Their first rate comes twice, since their scheduler steps once when it is made; and their warm-up begins at 0,
    ours at its first step above 0."""
    recorded = GOLDEN[f"base 0.1, total 100, warmup {warmup}"]
    config = FitConfig(steps=100, lr=0.1, warmup=warmup, schedule="poly", power=2.0, eta_min=0.0)
    start = next(values for name, values in recorded.items() if name.startswith("first"))
    pairs = [(place - 1, rate) for place, rate in enumerate(start) if place > warmup]
    pairs += [(96 + place, rate) for place, rate in enumerate(recorded["last3"])]
    assert len(pairs) >= 6
    for step, rate in pairs:
        assert learning_rate(config, step) == pytest.approx(rate, abs=1e-6)
    assert 0 < learning_rate(config, 0) <= 0.1
