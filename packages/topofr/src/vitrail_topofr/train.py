"""Training: a config becomes data, a network and a task for `vitrail_training.fit`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitrail.specs import ComponentSpec
from vitrail_recognition.training import RecognizerTask, fit_recognizer
from vitrail_recognition.training_config import in_steps
from vitrail_recognition.training_data import TrainingFaces, open_training_faces
from vitrail_topofr.config import TopoFRConfig
from vitrail_topofr.objective import objective
from vitrail_topofr.perturb import perturb
from vitrail_topofr.plugin import R50, TINY, vitrail_components
from vitrail_topofr.recognizer import TopoFRRecognizer
from vitrail_topofr.train_config import TrainConfig
from vitrail_training.config import FitConfig
from vitrail_training.optim import parameter_groups
from vitrail_training.run import FitResult
from vitrail_training.variants import saved_as

NARROW = 128


def train(
    config: TrainConfig,
    *,
    out: Path | str,
    resume: Path | str | None = None,
    spec: ComponentSpec | None = None,
) -> FitResult:
    """Train a TopoFR. Into `out` go final/ (the component), centres.safetensors (the class centres, to go on
    with by hand: `vitrail_recognition.resharding.read_centres`), and best/ where fit.best_metric is set.

    resume: "auto", or a checkpoint or folder of a run; see `vitrail_training.fit`. spec: the variant that is meant;
    UsageError where the config's network is another one.
    """
    chosen = variant(config.model, spec)
    dataset = open_training_faces(config)
    settings = in_steps(config, len(dataset))
    component = TopoFRRecognizer.from_config(config.model, spec=chosen, seed=settings.seed)
    return fit_recognizer(TopoFRTask(component, dataset, config), settings, out=out, resume=resume)


class TopoFRTask(RecognizerTask):
    """RSP -> network -> margin softmax, weighed by SDE, plus the structure alignment with the clean batch.

    The entropies are those of the whole softmax, -sum g ln g, which the shared-out classifier gives without storing
    it; the paper has ln(g + 1e-5). Structure and mixture are of this process's samples, as published.
    """

    options: TrainConfig

    def __init__(self, component: TopoFRRecognizer, dataset: TrainingFaces, options: TrainConfig) -> None:
        super().__init__(component, dataset, options, width=options.model.embedding)

    def loss(self, model: nn.Module, batch: dict[str, Any], step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        method, generator = self.options.method.at(step), self.generator(step)
        views = perturb(batch["image"], generator=generator, xi=method.xi, fidelity=method.fidelity)
        embeddings = model(views.images)
        scores = self.head.scores(embeddings, batch["label"], want_entropy=method.damage)
        terms = objective(
            method,
            clean=views.clean,
            embeddings=embeddings,
            cross_entropy=scores.loss,
            entropy=scores.entropy,
            generator=generator,
        )
        return terms.loss, {
            "cross_entropy": terms.cross_entropy,
            "structure": terms.structure,
            "cosine": scores.cosine.detach().mean(),
            "omega": terms.weight,
            "easy_share": terms.share,
            "norm": terms.norm,
        }

    def network_optimizer(self, model: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
        """SGD with momentum. As published, everything decays, the gain of the last BatchNorm too."""
        groups = parameter_groups(
            model, lr=config.lr, weight_decay=config.weight_decay, decay_vectors=self.options.decay_all
        )
        return torch.optim.SGD(groups, lr=config.lr, momentum=self.options.momentum)

    def centre_optimizer(self, config: FitConfig) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            [self.head.classifier.weight],
            lr=config.lr,
            momentum=self.options.momentum,
            weight_decay=config.weight_decay,
        )


def variant(config: TopoFRConfig, asked: ComponentSpec | None = None) -> ComponentSpec:
    """The component that a network of this config is saved as; without `asked` and of no variant's size, a wide one
    as R50 and a narrow one as tiny."""
    return saved_as(
        config,
        vitrail_components(),
        size=lambda of: (of.blocks, of.widths, of.embedding),
        asked=asked,
        otherwise=TINY if config.widths[-1] <= NARROW else R50,
    )
