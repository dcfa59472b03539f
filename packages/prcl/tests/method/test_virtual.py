"""Virtual negatives: around which prototypes they lie, and how far."""

from __future__ import annotations

import pytest
import torch

from vitrail_prcl.prototypes import Prototypes
from vitrail_prcl.virtual import other_classes, virtual_negatives

CLASSES, WIDTH, EACH = 4, 5, 3000


def prototypes():
    mean = 10 * torch.arange(CLASSES)[:, None] + torch.zeros(CLASSES, WIDTH)
    variance = torch.tensor([0.01, 0.04, 0.25, 1.0])[:, None].expand(CLASSES, WIDTH)
    return Prototypes(mean, variance, torch.tensor([True, True, False, True]))


def test_others_are_all_but_oneself():
    assert other_classes(4, torch.device("cpu")).tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert other_classes(1, torch.device("cpu")).shape == (1, 0)


@pytest.mark.parametrize("spread", ["unit", "deviation", "released"])
def test_mean_and_spread_are_as_asked(spread):
    given = prototypes()
    found = virtual_negatives(
        given, EACH, radius=0.5, spread=spread, generator=torch.Generator().manual_seed(0)
    )
    assert found.shape == (CLASSES, EACH * (CLASSES - 1), WIDTH)
    deviation = torch.tensor([0.1, 0.2, 0.5, 1.0])
    released = (given.variance[:, 0] / 2).exp()
    std = {"unit": torch.ones(4), "deviation": deviation, "released": released}[spread]
    for own, row in enumerate(found.view(CLASSES, CLASSES - 1, EACH, WIDTH)):
        for points, other in zip(row, [k for k in range(CLASSES) if k != own]):
            assert points.mean().item() == pytest.approx(10 * other, abs=0.03)
            assert points.std().item() == pytest.approx(0.5 * std[other].item(), rel=0.03)
