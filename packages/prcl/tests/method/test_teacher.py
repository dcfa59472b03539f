"""The mean teacher, and what becomes of BatchNorm in it."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from vitrail_prcl.teacher import Teacher


class Output(NamedTuple):
    logits: Tensor


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))

    def forward(self, image):
        return Output(self.net(image)) if self.training else self.net(image)

    def enlarged(self, logits, size):
        return logits


def images(seed: int = 0) -> Tensor:
    return 3 + torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(seed))


def moved(network: nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 1


def test_the_first_step_copies_and_later_ones_average():
    network = Toy()
    teacher = Teacher(network, decay=0.6)
    wanted = None
    for step, decay in enumerate((0.0, 0.5, 0.6, 0.6)):
        moved(network)
        own = network.net[0].weight.detach().clone()
        wanted = own if wanted is None else decay * wanted + (1 - decay) * own
        teacher.update(network)
        torch.testing.assert_close(teacher.network.net[0].weight, wanted)
        assert teacher.steps == step + 1
    assert not any(parameter.requires_grad for parameter in teacher.network.parameters())


def test_averaged_statistics_follow_the_network_and_label_in_eval_mode():
    network = Toy().train()
    teacher = Teacher(network, decay=0.5)
    network(images())
    teacher.update(network)
    assert torch.equal(teacher.network.net[1].running_mean, network.net[1].running_mean)
    before = teacher.network.net[1].running_mean.clone()
    labels, confidence = teacher.label(images(1))
    assert torch.equal(teacher.network.net[1].running_mean, before)
    probability = teacher.network.eval()(images(1)).softmax(dim=1)
    assert torch.equal(labels, probability.argmax(dim=1))
    torch.testing.assert_close(confidence, probability.amax(dim=1))


def test_own_statistics_are_of_what_the_teacher_labels():
    network = Toy().train()
    teacher = Teacher(network, decay=0.5, norms="own")
    network(images())
    teacher.update(network)
    assert teacher.network.net[1].running_mean.abs().max() == 0, "the network's are not taken over"
    labels, _ = teacher.label(images(1))
    assert teacher.network.net[1].running_mean.abs().max() > 0
    by_batch = teacher.network.train()(images(1)).logits
    assert torch.equal(labels, by_batch.argmax(dim=1))


@pytest.mark.parametrize("norms", ["averaged", "own"])
def test_all_comes_back_from_a_checkpoint(norms):
    network = Toy().train()
    teacher = Teacher(network, decay=0.9, norms=norms)
    for _ in range(3):
        moved(network)
        teacher.update(network)
    other = Teacher(Toy(), decay=0.9, norms=norms)
    other.load_state_dict(teacher.state_dict())
    moved(network)
    teacher.update(network)
    other.update(network)
    for mine, theirs in zip(teacher.network.state_dict().values(), other.network.state_dict().values()):
        assert torch.equal(mine, theirs)
