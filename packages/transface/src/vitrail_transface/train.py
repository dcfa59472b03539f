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
from vitrail_training.config import FitConfig
from vitrail_training.optim import parameter_groups
from vitrail_training.run import FitResult
from vitrail_training.variants import saved_as
from vitrail_transface.config import TOKENS, TransFaceConfig
from vitrail_transface.dpap import draw, perturb
from vitrail_transface.ehsm import sample_weights
from vitrail_transface.plugin import TINY, VIT_S, vitrail_components
from vitrail_transface.probe import probe_gates
from vitrail_transface.recognizer import TransFaceRecognizer
from vitrail_transface.train_config import TrainConfig


def train(
    config: TrainConfig,
    *,
    out: Path | str,
    resume: Path | str | None = None,
    spec: ComponentSpec | None = None,
) -> FitResult:
    """Train a TransFace. Into `out` go final/ (the component), centres.safetensors (the class centres, to go on
    with by hand: `vitrail_recognition.resharding.read_centres`), and best/ where fit.best_metric is set.

    resume: "auto", or a checkpoint or folder of a run; see `vitrail_training.fit`. spec: the variant that is meant;
    UsageError where the config's network is another one.
    """
    chosen = variant(config.model, spec)
    dataset = open_training_faces(config)
    settings = in_steps(config, len(dataset))
    component = TransFaceRecognizer.from_config(config.model, spec=chosen, seed=settings.seed)
    return fit_recognizer(TransFaceTask(component, dataset, config), settings, out=out, resume=resume)


class TransFaceTask(RecognizerTask):
    """Gates of the clean images -> DPAP -> network -> EHSM's weights -> margin softmax, mean over the samples."""

    options: TrainConfig
    model: Any

    def __init__(self, component: TransFaceRecognizer, dataset: TrainingFaces, options: TrainConfig) -> None:
        super().__init__(component, dataset, options, width=options.model.embedding)

    def loss(self, model: nn.Module, batch: dict[str, Any], step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        output = model(self.perturbed(batch["image"], step))
        scores = self.head.scores(output.embedding, batch["label"])
        if self.options.mining:
            weights = sample_weights(output.spread, self.options.ehsm)
        else:
            weights = torch.ones_like(scores.loss)
        return (weights * scores.loss).mean(), {
            "cross_entropy": scores.loss.detach().mean(),
            "cosine": scores.cosine.detach().mean(),
            "eta": weights.detach().mean(),
            "norm": output.embedding.detach().norm(dim=1).mean(),
        }

    @torch.no_grad()
    def perturbed(self, images: Tensor, step: int) -> Tensor:
        """DPAP on a batch (B, 3, 112, 112) of this process.

        Chance decides first, so that only the images that will be perturbed, a fifth as published, are probed. In
        eval mode an image's gates do not depend on the others of the batch.
        """
        config = self.options.dpap
        if not config.probability:
            return images
        generator = self.generator(step)
        start = generator.get_state()
        chosen = draw(len(images), config, generator).chosen.nonzero()[:, 0]
        if not len(chosen):
            return images
        chosen = chosen.to(images.device, non_blocking=True)
        with self.autocast(images.device):
            found = probe_gates(self.model, images[chosen])
        gates = found.new_zeros(len(images), TOKENS).index_copy_(0, chosen, found)
        return perturb(images, gates, config=config, generator=generator.set_state(start))

    def network_optimizer(self, model: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
        """AdamW with torch's betas. As published, everything decays."""
        groups = parameter_groups(
            model, lr=config.lr, weight_decay=config.weight_decay, decay_vectors=self.options.decay_all
        )
        return torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay)


def variant(config: TransFaceConfig, asked: ComponentSpec | None = None) -> ComponentSpec:
    """The component that a network of this config is saved as; without `asked` and of no variant's size, a wide one
    as S and a narrow one as tiny."""
    return saved_as(
        config,
        vitrail_components(),
        size=lambda of: (of.dim, of.depth, of.embedding),
        asked=asked,
        otherwise=TINY if config.dim <= 64 else VIT_S,
    )
