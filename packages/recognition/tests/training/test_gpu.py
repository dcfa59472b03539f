"""The margin softmax on a device: no step waits for it, and it gives what the CPU gives."""

from __future__ import annotations

import pytest
import torch

from vitrail_recognition.centre_optimizer import CentreOptimizer
from vitrail_recognition.kernels.class_softmax.sample import random_inputs
from vitrail_recognition.loss import MarginSoftmax

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]


def training(device, **options):
    head = MarginSoftmax(5003, 64, seed=1, **options).to(device)
    weight = head.classifier.weight
    return head, CentreOptimizer(head.classifier, torch.optim.AdamW([weight], lr=0.01))


@pytest.fixture
def batches():
    return [random_inputs(48, 64, 5003, seed=step)[::2] for step in range(3)]


@pytest.mark.parametrize(
    "options", [{}, {"sample_rate": 0.1}, {"sample_rate": 0.1, "sparse_update": False}], ids=str
)
def test_no_step_waits_for_the_device(batches, options):
    head, optimizer = training("cuda", **options)
    batches = [tuple(x.cuda() for x in batch) for batch in batches]
    head(*batches[0]).backward()  # compiles
    optimizer.step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in batches[1:]:
            head(*batch).backward()
            optimizer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_three_steps_as_on_the_cpu(batches):
    ends = []
    for device in ("cpu", "cuda"):
        head, optimizer = training(device, threshold=0.4)
        for embeddings, labels in batches:
            loss = head(embeddings.to(device), labels.to(device))
            loss.backward()
            optimizer.step()
        ends.append((loss.item(), head.classifier.weight.detach().cpu()))
    assert ends[0][0] == pytest.approx(ends[1][0], rel=1e-4)
    assert ((ends[0][1] - ends[1][1]).abs() > 1e-3).float().mean() < 1e-3  # Adam turns rounding into steps
