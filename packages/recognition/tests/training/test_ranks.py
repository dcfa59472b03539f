"""Real gloo processes, each with a share of the samples and of the classes, do what one process does with all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import ranks
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

SCRIPT = Path(ranks.__file__)


@pytest.fixture(
    scope="module", params=[2, pytest.param(4, marks=pytest.mark.slow)], ids="{}-processes".format
)
def found(request, tmp_path_factory):
    """(what each process found, the folder)"""
    folder, processes = tmp_path_factory.mktemp("ranks"), request.param
    alone = ranks.Training()
    for step in range(2):
        alone.step(step)
    save_file(alone.state(), folder / "from_one.safetensors")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    common = {**os.environ, **common, "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen([sys.executable, str(SCRIPT), str(folder)], env={**common, "RANK": str(number)})
        for number in range(processes)
    ]
    assert [process.wait(timeout=300) for process in started] == [0] * processes
    return [load_file(folder / f"rank{number}.safetensors") for number in range(processes)], folder


def by_definition(case):
    """Loss and gradients of the whole batch over all classes: F.cross_entropy on the full matrix of logits."""
    options = ranks.CASES[case]
    margin, threshold = options["margin"], options.get("threshold")
    network = ranks.network()
    centres = ranks.Training().head.classifier.weight.detach().clone().requires_grad_()
    images, labels, weights = ranks.data()
    cosines = F.normalize(network(images)) @ F.normalize(centres).T
    own = F.one_hot(labels, ranks.CLASSES).bool()
    logits = margin.scale * cosines
    if threshold is not None:
        assert ((cosines > threshold) & ~own).any()
        logits = logits.masked_fill((cosines > threshold) & ~own, 0)
    logits = torch.where(own, margin(cosines), logits)
    loss = (F.cross_entropy(logits, labels, reduction="none") * weights).mean()
    loss.backward()
    return {"loss": loss.detach(), "network": network.weight.grad, "centres": centres.grad}


@pytest.mark.parametrize("case", ranks.CASES)
def test_loss_and_both_gradients_equal_cross_entropy_on_the_full_matrix(found, case):
    wanted = by_definition(case)
    for process in found[0]:
        torch.testing.assert_close(process[f"{case}.loss"], wanted["loss"])
        torch.testing.assert_close(process[f"{case}.network"], wanted["network"])
    torch.testing.assert_close(found[0][0][f"{case}.centres"], wanted["centres"])


def test_each_process_gets_the_scores_of_its_own_samples(found):
    for name, wanted in ranks.scores().items():
        torch.testing.assert_close(torch.cat([process[f"scores.{name}"] for process in found[0]]), wanted)


def same(state, found, name):
    theirs = {
        key.removeprefix(f"{name}."): value for key, value in found.items() if key.startswith(f"{name}.")
    }
    assert theirs
    assert sorted(theirs) == sorted(state)
    for key, value in state.items():
        torch.testing.assert_close(theirs[key], value, msg=lambda text, key=key: f"{key}: {text}")


def test_training_is_that_of_one_process(found):
    alone = ranks.Training()
    for step in range(2):
        alone.step(step)
    same(alone.state(), found[0][0], "saved")
    alone.step(2)
    same(alone.state(), found[0][0], "continued")
    same(alone.state(), found[0][0], "from_one")  # several went on from what one had saved


def test_one_process_goes_on_from_what_several_have_saved(found):
    state = {name.removeprefix("saved."): value for name, value in found[0][0].items() if "saved." in name}
    alone = ranks.Training()
    alone.load(state)
    alone.step(2)
    same(alone.state(), found[0][0], "continued")


def test_centres_in_a_file(found):
    processes, folder = found
    stored = load_file(folder / "centres.safetensors")["weight"]
    assert torch.equal(stored, processes[0]["saved.weight"])
    assert torch.equal(processes[0]["read"], stored)
