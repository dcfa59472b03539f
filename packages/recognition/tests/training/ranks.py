"""What test_ranks.py runs in each of several gloo processes: ranks.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from vitrail_recognition.centre_optimizer import CentreOptimizer
from vitrail_recognition.loss import MarginSoftmax
from vitrail_recognition.margins import ArcFace, CosFace
from vitrail_recognition.resharding import (
    full_state,
    gather_rows,
    load_full_state,
    read_centres,
    write_centres,
)
from vitrail_training.distributed import rank, world

CLASSES, WIDTH, BATCH = 11, 6, 8  # 11 classes do not share out evenly
CASES = {
    "arcface": {"margin": ArcFace()},
    "straight": {"margin": ArcFace(gradient="straight_through", scale=16.0)},
    "filtered": {"margin": CosFace(), "threshold": 0.2},
}


def data(step: int = 0) -> tuple[torch.Tensor, ...]:
    """Images (8, 5), labels (8,), weights (8,) of all processes together, in float64."""
    generator = torch.Generator().manual_seed(step)
    images = torch.randn(BATCH, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    return images, labels, 1 + torch.rand(BATCH, generator=generator, dtype=torch.float64)


def network() -> nn.Module:
    torch.manual_seed(5)
    return nn.Linear(5, WIDTH, dtype=torch.float64)


class Training:
    """A network, averaged over processes, and centres, shared out over them; alike for one process."""

    def __init__(self, classes: int = CLASSES, **options) -> None:
        self.spread = classes // CLASSES  # labels are of all the rows
        self.network = network()
        self.model = DistributedDataParallel(self.network) if world() > 1 else self.network
        self.head = MarginSoftmax(classes, WIDTH, seed=2, **options).double()
        weight = self.head.classifier.weight
        self.centres = CentreOptimizer(self.head.classifier, torch.optim.AdamW([weight], lr=0.01))
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.1)

    def backward(self, step: int) -> torch.Tensor:
        each = BATCH // world()
        images, labels, weights = (part[rank() * each : (rank() + 1) * each] for part in data(step))
        loss = self.head(self.model(images), self.spread * labels, weights)
        loss.backward()
        return loss.detach()

    def step(self, step: int) -> None:
        self.optimizer.zero_grad()
        self.backward(step)
        self.optimizer.step()
        self.centres.step()

    def state(self) -> dict[str, torch.Tensor]:
        """Everything, flat; {} but on process 0."""
        whole = full_state(self.head.classifier, self.centres)
        if not whole:
            return {}
        rows = {f"rows.{name}": value for name, value in whole["rows"].items()}
        shared = {f"shared.{name}": value for name, value in whole["shared"].items()}
        mine = {f"network.{name}": value.clone() for name, value in self.network.state_dict().items()}
        return {"weight": whole["weight"], "draws": torch.tensor(whole["draws"]), **rows, **shared, **mine}

    def load(self, flat: dict[str, torch.Tensor]) -> None:
        def under(name):
            return {key.removeprefix(name): value for key, value in flat.items() if key.startswith(name)}

        state = {"weight": flat["weight"], "draws": int(flat["draws"])}
        state |= {"rows": under("rows."), "shared": under("shared.")}
        load_full_state(self.head.classifier, state, self.centres)
        self.network.load_state_dict(under("network."))


def gradients(name: str) -> dict[str, torch.Tensor]:
    """The mean loss of all processes, and the gradients of network and centres, for one of CASES."""
    training = Training(**CASES[name])
    training.network.zero_grad()
    loss = training.backward(0)
    if world() > 1:
        dist.all_reduce(loss)
    whole = gather_rows(training.head.classifier.weight.grad, CLASSES)
    found = {"loss": loss / world(), "network": training.network.weight.grad}
    return found if whole is None else {**found, "centres": whole}


def scores() -> dict[str, torch.Tensor]:
    training, each = Training(margin=ArcFace(scale=16.0)), BATCH // world()
    images, labels, _ = (part[rank() * each : (rank() + 1) * each] for part in data())
    found = training.head.scores(training.network(images), labels, want_entropy=True)
    return {name: value.detach() for name, value in found._asdict().items()}


def sampled_steps() -> None:
    """Positives are kept and other rows do not change, on every process."""
    training = Training(classes=20 * CLASSES + 1, sample_rate=0.2)
    classifier = training.head.classifier
    for step in range(3):
        before = classifier.weight.detach().clone()
        training.backward(step)
        sampled = classifier.sampled_gradient()
        assert sampled is not None
        chosen = sampled[0].tolist()
        assert BATCH <= len(chosen) < 0.3 * len(before), "hardly sampled"
        labels = training.spread * data(step)[1] - classifier.rows.start
        assert {int(label) for label in labels if 0 <= label < len(before)} <= set(chosen)
        training.centres.step()
        left = [i for i in range(len(before)) if i not in chosen]
        assert torch.equal(classifier.weight[left], before[left])
        assert not torch.equal(classifier.weight[chosen], before[chosen])


def main(folder: Path) -> None:
    from safetensors.torch import load_file

    found = {f"{case}.{name}": value for case in CASES for name, value in gradients(case).items()}
    found |= {f"scores.{name}": value for name, value in scores().items()}
    sampled_steps()

    training = Training()
    for step in range(2):
        training.step(step)
    found |= {f"saved.{name}": value for name, value in training.state().items()}
    write_centres(folder / "centres.safetensors", training.head.classifier)
    training.step(2)
    found |= {f"continued.{name}": value for name, value in training.state().items()}

    other = Training()
    other.load(load_file(folder / "from_one.safetensors"))
    other.step(2)
    found |= {f"from_one.{name}": value for name, value in other.state().items()}

    dist.barrier()
    third = Training()
    read_centres(folder / "centres.safetensors", third.head.classifier)
    whole = gather_rows(third.head.classifier.weight, CLASSES)
    if whole is not None:
        found["read"] = whole
    save_file(
        {name: value.contiguous() for name, value in found.items()}, folder / f"rank{rank()}.safetensors"
    )


if __name__ == "__main__":
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
    dist.destroy_process_group()
