"""The weight of the contrastive loss."""

from __future__ import annotations

import pytest

from vitrail_prcl.schedule import ramp_down, ramp_up


@pytest.mark.parametrize(("step", "wanted"), [(0, 1.0), (100, 0.2865), (200, 0.0067)])
def test_values_of_the_published_run(step, wanted):
    assert ramp_down(step, start=1.0, end=0.0, begin=0, length=200) == pytest.approx(wanted, abs=1e-4)


def test_it_waits_ends_and_may_stay():
    assert ramp_down(5, start=2.0, end=0.1, begin=10, length=10) == 2.0
    assert ramp_down(1000, start=2.0, end=0.1, begin=10, length=10) == 0.1
    assert ramp_down(1000, start=2.0, end=0.0, begin=0, length=0) == 2.0


@pytest.mark.parametrize(("step", "wanted"), [(0, 0.0067), (100, 0.2865), (200, 1.0), (1000, 1.0)])
def test_pseudo_labels_count_more_and_more(step, wanted):
    assert ramp_up(step, length=200) == pytest.approx(wanted, abs=1e-4)


def test_without_a_ramp_they_count_at_once():
    assert ramp_up(0, length=0) == 1.0
