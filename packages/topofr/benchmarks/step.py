"""TopoFR's tax: a training step over one of plain ArcFace with the same backbone.

    python packages/topofr/benchmarks/step.py [--device cuda]

    plain     margin softmax alone
    ours      RSP, structure alignment and SDE as this package trains them
    upstream  the same method the way the released code computes it: images perturbed one by one by torchvision,
              distances by differences of all pairs, Kruskal in Python and the mixture on the host, logits stored

All are whole steps on one batch of noise: forward, backward, clipping and both optimizers. Prints medians and ratios
and writes `benchmarks/results/topofr_step_cpu.json` (or _gpu.json).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from persistence import RESULTS
from torch import Tensor, nn
from torchvision.transforms import v2

from vitrail_recognition.step_timing import MadeUpClasses, steps_main
from vitrail_recognition.training_config import MarginConfig
from vitrail_topofr import config as networks
from vitrail_topofr.config import MethodConfig
from vitrail_topofr.damage import alternating_signs, damage_weights, fit_mixture, prediction_entropy
from vitrail_topofr.plugin import R50
from vitrail_topofr.recognizer import TopoFRRecognizer
from vitrail_topofr.structure import largest_distance
from vitrail_topofr.train import TopoFRTask
from vitrail_topofr.train_config import TrainConfig
from vitrail_training.config import FitConfig

OPERATIONS = (
    v2.GaussianBlur((5, 9), (0.1, 5.0)),
    v2.RandomGrayscale(p=1.0),
    v2.ColorJitter(0.5, 0.5, 0.5, 0.1),
    v2.RandomErasing(p=1.0),
)


def kruskal(matrix: Tensor) -> Tensor:
    """Edges (n - 1, 2) of the minimum spanning tree, by a Python loop over all sorted edges, on the host."""
    values = matrix.detach().cpu().numpy()
    first, second = np.triu_indices(len(values), 1)
    order = np.argsort(values[first, second], kind="stable")
    parent = list(range(len(values)))

    def root(vertex: int) -> int:
        while parent[vertex] != vertex:
            parent[vertex] = parent[parent[vertex]]
            vertex = parent[vertex]
        return vertex

    edges = []
    for i, j in zip(first[order], second[order], strict=True):
        one, other = root(int(i)), root(int(j))
        if one != other:
            parent[one] = other
            edges.append((i, j))
    return torch.tensor(np.array(edges), device=matrix.device)


class Upstream(TopoFRTask):
    """The released code's formulation."""

    def loss(self, model: nn.Module, batch: dict[str, Any], step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        images, labels, method = batch["image"], batch["label"], self.options.method
        changed = images.clone()
        for index in range(len(images)):
            if torch.rand(()) < method.xi:
                operation = OPERATIONS[int(torch.randint(len(OPERATIONS), ()))]
                changed[index] = (operation(images[index] * 0.5 + 0.5) - 0.5) / 0.5
        embeddings = model(changed)
        cosine = F.normalize(embeddings) @ F.normalize(self.head.classifier.weight).T
        rows = torch.arange(len(labels), device=labels.device)
        logits = cosine * self.head.margin.scale
        target = self.head.margin(cosine[rows, labels])
        logits = logits.index_put((rows, labels), target)
        cross_entropy = F.cross_entropy(logits, labels, reduction="none")
        entropy = prediction_entropy(logits.detach()).cpu()
        mixture = fit_mixture(entropy, alternating_signs(len(entropy)), fidelity="released")
        weights = damage_weights(
            mixture.easy.to(images.device), (-cross_entropy).exp(), power=method.power, fidelity="released"
        )
        x = images.flatten(1)
        of_x = torch.norm(x[:, None] - x, dim=2) / largest_distance(images)
        of_z = torch.norm(embeddings[:, None] - embeddings, dim=2)
        x_edges, z_edges = kruskal(of_x), kruskal(of_z)
        lengths = [m[tuple(e.T)] for m, e in ((of_x, x_edges), (of_z, z_edges))]
        structure = (lengths[0] - lengths[1]).square().sum() / len(images)
        return (weights * cross_entropy).mean() + method.alpha * structure, {}


def make_tasks(network: str, classes: int, settings: FitConfig, device: str) -> dict[str, TopoFRTask]:
    model = getattr(networks, network)()
    component = TopoFRRecognizer.from_config(model, spec=R50, device=device, seed=0)

    def task(method: MethodConfig, kind: type[TopoFRTask] = TopoFRTask) -> TopoFRTask:
        config = TrainConfig(method=method, margin=MarginConfig(), model=model, fit=settings)
        return kind(component, MadeUpClasses(classes), config)

    plain = MethodConfig(alpha=0.0, xi=0.0, damage=False)
    return {"plain": task(plain), "ours": task(MethodConfig()), "upstream": task(MethodConfig(), Upstream)}


if __name__ == "__main__":
    steps_main(
        __doc__,
        RESULTS / "topofr_step.json",
        networks=("r50", "tiny", "r18", "r100", "r200"),
        lr=0.01,
        weight_decay=5e-4,
        make_tasks=make_tasks,
    )
