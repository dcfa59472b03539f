from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from vitrail_training.config import FitConfig
from vitrail_training.ema import Ema, blend_
from vitrail_training.optim import Lookahead, parameter_groups
from vitrail_training.schedule import set_learning_rate


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5), nn.Linear(5, 2))


def train(network, optimizer, steps, first=0):
    for step in range(first, first + steps):
        x = torch.sin(torch.arange(12.0).reshape(4, 3) + step)
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_lookahead_is_algorithm_1_of_the_paper():
    network, plain = net(), net()
    optimizer = Lookahead(torch.optim.SGD(network.parameters(), lr=0.3, momentum=0.9), k=5, alpha=0.5)
    inner = torch.optim.SGD(plain.parameters(), lr=0.3, momentum=0.9)
    slow = weights(plain)
    for step in range(17):
        train(network, optimizer, 1, step)
        train(plain, inner, 1, step)
        if step % 5 == 4:  # the reference, written out
            slow = slow + 0.5 * (weights(plain) - slow)
            nn.utils.vector_to_parameters(slow.clone(), plain.parameters())
        torch.testing.assert_close(weights(network), weights(plain), rtol=0, atol=1e-6)
    assert not torch.equal(weights(net()), weights(network))


def test_lookahead_goes_on_from_its_state():
    whole, first, second = net(), net(), net()
    make = [Lookahead(torch.optim.AdamW(each.parameters(), lr=0.1), k=5) for each in (whole, first, second)]
    train(whole, make[0], 13)
    train(first, make[1], 8)  # in the middle of the five
    second.load_state_dict(first.state_dict())
    make[2].load_state_dict(copy.deepcopy(make[1].state_dict()))
    train(second, make[2], 5, 8)
    assert torch.equal(weights(second), weights(whole))
    set_learning_rate(make[2], FitConfig(lr=0.1, schedule="constant"), 0)
    assert make[2].param_groups is make[2].inner.param_groups


def test_lookahead_passes_the_learning_rate_on():
    network = net()
    optimizer = Lookahead(torch.optim.SGD(network.parameters(), lr=0.1))
    set_learning_rate(optimizer, FitConfig(steps=10, lr=0.1), 5)
    assert optimizer.inner.param_groups[0]["lr"] == pytest.approx(0.05)


@pytest.mark.parametrize("values", [{"k": 0}, {"alpha": 0.0}, {"alpha": 1.5}])
def test_lookahead_refuses(values):
    with pytest.raises(ValueError, match="Lookahead wants"):
        Lookahead(torch.optim.SGD(net().parameters(), lr=0.1), **values)


def test_groups_by_rate_and_decay():
    network = net()
    network[2].bias.requires_grad_(False)
    groups = parameter_groups(
        network, lr=0.1, weight_decay=0.2, no_decay=["2.*"], lr_scale={"0.*": 0.5, "0.weight": 0.1}
    )
    named = {id(parameter): name for name, parameter in network.named_parameters()}
    found = {
        (round(group["lr"], 9), group["weight_decay"]): {
            named[id(parameter)] for parameter in group["params"]
        }
        for group in groups
    }
    assert found == {
        (0.05, 0.2): {"0.weight"},
        (0.05, 0.0): {"0.bias"},
        (0.1, 0.0): {"1.weight", "1.bias", "2.weight"},
    }
    decaying = parameter_groups(network, lr=0.1, weight_decay=0.2, decay_vectors=True)
    assert [group["weight_decay"] for group in decaying] == [0.2]


def test_ema_against_its_closed_form():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema, first = Ema(network, 0.2), 0.2
    history = [network[0].weight.detach().clone()]
    for step in range(6):
        with torch.no_grad():
            network[0].weight.copy_(torch.full((2, 2), float(step)))
        network(torch.randn(5, 2))  # moves the statistics of BatchNorm
        ema.update(network, step)
        history.append(network[0].weight.detach().clone())
    decays = [1 / 10, 2 / 11, first, first, first, first]  # then (1 + n) / (10 + n) is above it
    shares = [math.prod(decays), *((1 - d) * math.prod(decays[n + 1 :]) for n, d in enumerate(decays))]
    assert sum(shares) == pytest.approx(1)
    closed = sum(share * weight for share, weight in zip(shares, history, strict=True))
    torch.testing.assert_close(ema.average["0.weight"], closed)
    assert ema.average["1.num_batches_tracked"] == 6
    assert not torch.equal(ema.average["1.running_mean"], network[1].running_mean)


def test_ema_lends_its_weights_and_gives_back_exactly_the_own():
    network = net()
    ema = Ema(network, 0.5)
    train(network, torch.optim.SGD(network.parameters(), lr=0.5), 3)
    ema.update(network, 1000)
    own = weights(network)
    with ema.applied_to(network):
        assert torch.equal(network[0].weight, ema.average["0.weight"])
        assert not torch.equal(weights(network), own)
    assert torch.equal(weights(network), own)


def test_blend_moves_a_teacher():
    teacher, student = net(), net()
    with torch.no_grad():
        student[0].weight.zero_()
    before = teacher[0].weight.detach().clone()
    blend_(teacher.state_dict(), student.state_dict(), 0.75)
    torch.testing.assert_close(teacher[0].weight.detach(), 0.75 * before)
