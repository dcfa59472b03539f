from __future__ import annotations

from dataclasses import replace
from math import cos, pi

import pytest
import torch
from torch.optim import lr_scheduler

from vitrail.errors import UsageError
from vitrail_training import FitConfig
from vitrail_training.schedule import ends_within_a_cycle, learning_rate, set_learning_rate

BASE = FitConfig(steps=50, lr=0.4, eta_min=0.01)


def rates(config):
    return [learning_rate(config, step) for step in range(config.steps)]


def by_torch(config, make, steps=None):
    """The rates that one of torch's own schedulers gives."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=config.lr)
    scheduler, found = make(optimizer), []
    for _ in range(steps or config.steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_cosine():
    expected = by_torch(BASE, lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=50, eta_min=0.01))
    assert rates(BASE) == pytest.approx(expected, rel=1e-9)


def test_cosine_restarts_end_exactly_a_cycle():
    config = replace(BASE, steps=105, schedule="cosine-restarts", t0=15, t_mult=2)
    expected = by_torch(
        config, lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=15, T_mult=2, eta_min=0.01)
    )
    found = rates(config)
    assert found == pytest.approx(expected, rel=1e-9)
    assert [step for step in range(105) if found[step] == 0.4] == [0, 15, 45]  # cycles of 15, 30 and 60
    last = 0.01 + 0.39 * (1 + cos(pi * 59 / 60)) / 2
    assert found[104] == pytest.approx(last)
    assert learning_rate(config, 105) == 0.4  # the next cycle would begin
    assert ends_within_a_cycle(config) is None
    assert ends_within_a_cycle(replace(config, steps=100)) == (45, 105)
    assert ends_within_a_cycle(replace(config, steps=50, warmup=5)) is None


def test_poly():
    config = replace(BASE, schedule="poly", eta_min=0.0, power=0.9)
    expected = by_torch(config, lambda o: lr_scheduler.PolynomialLR(o, total_iters=50, power=0.9))
    assert rates(config) == pytest.approx(expected, rel=1e-9)
    assert rates(replace(config, eta_min=0.01))[25] == pytest.approx(0.01 + 0.39 * 0.5**0.9)


def test_step():
    config = replace(BASE, schedule="step", milestones=(10, 30), gamma=0.2)
    expected = by_torch(config, lambda o: lr_scheduler.MultiStepLR(o, milestones=[10, 30], gamma=0.2))
    assert rates(config) == pytest.approx(expected, rel=1e-9)


def test_warm_up_rises_in_a_line_to_the_highest_rate():
    for schedule in ("constant", "cosine", "poly"):
        found = rates(replace(BASE, schedule=schedule, warmup=4))
        assert found[:5] == pytest.approx([0.08, 0.16, 0.24, 0.32, 0.4])
        assert max(found) == found[4]
    late = rates(replace(BASE, warmup=4))
    assert late[27] == pytest.approx(0.01 + 0.39 / 2)  # half-way between the warm-up and the end
    assert rates(replace(BASE, schedule="constant")) == [0.4] * 50


def test_groups_keep_their_own_rate():
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": weights[:1], "lr": 0.4}, {"params": weights[1:], "lr": 0.04}])
    config = replace(BASE, eta_min=0.0)
    for step in (0, 10, 25, 10):  # nothing but the step counts, not what was set before
        assert set_learning_rate(optimizer, config, step) == pytest.approx(learning_rate(config, step))
        first, second = (group["lr"] for group in optimizer.param_groups)
        assert second == pytest.approx(first / 10)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "steps is 0; wanted is at least 1"),
        ({"batch_size": 6, "accumulate": 4}, "batch_size 6 does not split into 4 equal parts"),
        ({"schedule": "linear"}, "schedule is 'linear'; wanted is one of constant, cosine"),
        ({"precision": "fp8"}, "precision is 'fp8'; wanted is one of fp32, bf16, fp16"),
        ({"schedule": "cosine-restarts"}, "cosine-restarts needs t0"),
        ({"warmup": 2000}, "warmup is 2000 steps and the whole run 1000"),
        ({"ema": 1.0}, "ema is 1.0; wanted is a decay from 0 to below 1"),
        ({"lr": 0.0}, "lr is 0.0; wanted is a learning rate above 0"),
        ({"clip_norm": float("nan")}, "clip_norm is nan"),
        ({"best_mode": "least"}, "best_mode is 'least'; wanted is one of max, min"),
    ],
)
def test_a_config_that_cannot_be_is_refused(values, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        FitConfig(**values)
