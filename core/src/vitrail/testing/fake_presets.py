"""Presets of the fake trainer."""

from __future__ import annotations

from vitrail.testing.fake_components import FakeConfig, FakeTrainConfig


def quick() -> FakeTrainConfig:
    return FakeTrainConfig(steps=2)


def thorough() -> FakeTrainConfig:
    return FakeTrainConfig(steps=20, model=FakeConfig(thresholds=(50, 200)))
