"""Two processes with half a batch each take the same step as one process with the whole batch."""

import os
import socket
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from vitrail_segmentation.losses import joint_loss

WORKER = """
import sys
import torch, torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch.nn.parallel import DistributedDataParallel
from vitrail_segmentation.losses import joint_loss

dist.init_process_group("gloo")
torch.set_num_threads(1)
folder = sys.argv[1]
data = load_file(f"{folder}/data.safetensors")
network = torch.nn.Conv2d(2, 4, 3, padding=1)
network.load_state_dict({name: data[name] for name in ("weight", "bias")})
model = DistributedDataParallel(network)
mine = slice(2 * dist.get_rank(), 2 * dist.get_rank() + 2)
found = {}
for average in ("all", "valid"):
    for reduce in (False, True):
        model.zero_grad()
        loss = joint_loss(
            model(data["images"][mine]),
            data["labels"][mine],
            average=average,
            class_weights=data["class_weights"],
            reduce_across_ranks=reduce,
        )
        loss.backward()
        found[f"{average} {reduce} loss"] = loss.detach()
        found[f"{average} {reduce} gradient"] = network.weight.grad.clone()
save_file(found, f"{folder}/rank{dist.get_rank()}.safetensors")
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (4, 8, 8), generator=generator)
    labels[2:][torch.rand(2, 8, 8, generator=generator) < 0.7] = (
        255  # the second process has far fewer labels
    )
    return {
        "weight": 0.3 * torch.randn(4, 2, 3, 3, generator=generator),
        "bias": torch.zeros(4),
        "images": torch.randn(4, 2, 8, 8, generator=generator),
        "labels": labels,
        "class_weights": torch.tensor([1.0, 2.0, 0.5, 1.0]),
    }


@pytest.fixture(scope="module")
def ranks(data, tmp_path_factory):
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    save_file(data, folder / "data.safetensors")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(folder)], env={**common, "RANK": str(rank)})
        for rank in range(2)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    return [load_file(folder / f"rank{rank}.safetensors") for rank in range(2)]


@pytest.mark.parametrize("average", ["all", "valid"])
def test_two_processes_equal_one(data, ranks, average):
    network = torch.nn.Conv2d(2, 4, 3, padding=1)
    network.load_state_dict({name: data[name] for name in ("weight", "bias")})
    loss = joint_loss(
        network(data["images"]), data["labels"], average=average, class_weights=data["class_weights"]
    )
    loss.backward()
    for rank in ranks:
        torch.testing.assert_close(
            rank[f"{average} True gradient"], network.weight.grad, rtol=1e-4, atol=1e-6
        )
    mean = (ranks[0][f"{average} True loss"] + ranks[1][f"{average} True loss"]) / 2
    torch.testing.assert_close(mean, loss.detach(), rtol=1e-5, atol=1e-6)
    # and without the sums of both it would be another step
    assert not torch.allclose(ranks[0][f"{average} False gradient"], network.weight.grad, rtol=1e-2)
