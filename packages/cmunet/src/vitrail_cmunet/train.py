"""Training: a config becomes data, a network and a task for `vitrail_training.fit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vitrail_cmunet.data.opening import LabelledImages, averaged_classes, open_training_data
from vitrail_cmunet.plugin import LANDSAT, RESNET18
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_cmunet.train_config import LossConfig, TrainConfig, in_steps
from vitrail_segmentation.losses import deep_supervision, inverse_frequency_weights, joint_loss
from vitrail_segmentation.metrics import ConfusionMatrix
from vitrail_training import distributed
from vitrail_training.checkpoint import find_checkpoint
from vitrail_training.config import FitConfig
from vitrail_training.loop import fit
from vitrail_training.optim import Lookahead, parameter_groups
from vitrail_training.run import FitResult
from vitrail_training.task import Task


def train(config: TrainConfig, *, out: Path | str, resume: Path | str | None = None) -> FitResult:
    """Train a CM-UNet; the finished component goes to `out`/final, the best one by validation to `out`/best.

    resume: "auto", or a checkpoint or folder of a run; see `vitrail_training.fit`.
    """
    data = open_training_data(config.data, config.augment, config.model)
    settings = in_steps(config, len(data.train))
    spec = LANDSAT if config.data.dataset == "landsat" else RESNET18
    component = CMUNetSegmenter.from_config(data.model, spec=spec, seed=settings.seed)
    if config.model.pretrained and not (resume and find_checkpoint(Path(out))):
        component.module.load_pretrained_backbone()
    return fit(
        SegmentationTask(component, data.train, data.validation, config), settings, out=out, resume=resume
    )


class SegmentationTask(Task):
    """Trains `component.module`; validation segments whole images with the component itself."""

    def __init__(
        self,
        component: CMUNetSegmenter,
        dataset: LabelledImages,
        validation: LabelledImages,
        config: TrainConfig,
    ) -> None:
        super().__init__(component.module, dataset)
        self.component, self.validation, self.config = component, validation, config
        self.averaged = averaged_classes(config.data.dataset)
        self.settings = {name: value for name, value in asdict(config).items() if name != "fit"}
        self.class_weights = _class_weights(config.loss, dataset)

    def loss(self, model: nn.Module, batch: dict[str, Any], step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        output = model(batch["image"])
        labels = batch["labels"]
        with torch.no_grad():
            labelled = labels < len(self.component.classes)
            right = ((output.logits.argmax(dim=1) == labels) & labelled).sum()
        total = deep_supervision(
            self._loss, output.logits, output.auxiliary, labels, weight=self.config.loss.auxiliary
        )
        return total, {"accuracy": right / labelled.sum().clamp_min(1)}

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        chosen = self.config.loss
        return joint_loss(
            logits,
            labels,
            smoothing=chosen.smoothing,
            average=chosen.average,
            class_weights=self.class_weights,
            dice_weight=chosen.dice,
            reduce_across_ranks=True,
        )

    def optimizer(self, model: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
        """AdamW, in Lookahead where asked for. As published, everything decays but what is called a bias."""
        groups = parameter_groups(
            model,
            lr=config.lr,
            weight_decay=config.weight_decay,
            no_decay=("*bias",) if self.config.decay_scan else ("*bias", "*.A_logs", "*.Ds"),
            decay_vectors=True,
            lr_scale={"backbone.*": self.config.backbone_lr},
        )
        adamw = torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay)
        return Lookahead(adamw) if self.config.lookahead else adamw

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """mIoU, mF1 and overall accuracy on the validation part, and IoU by class.

        miou_present is the mean over the classes that the validation labels have: a class that they lack
        changes miou by a seventh as soon as one pixel is called so.
        """
        matrix = ConfusionMatrix(self.component.classes)
        for case in self.validation.cases(distributed.rank(), distributed.world()):
            matrix.update(case.labels, self.component.segment([case.image])[0].labels)
        matrix.counts = np.sum(distributed.gather_objects(matrix.counts), axis=0)
        present = [name for name in self.averaged if name in matrix.classes_above(0)]
        return {
            "miou": matrix.miou(self.averaged),
            "miou_present": matrix.miou(present),
            "mf1": matrix.mf1(self.averaged),
            "oa": matrix.oa,
            **{f"iou/{name}": float(value) for name, value in zip(matrix.classes, matrix.iou, strict=True)},
        }

    def save(self, folder: Path) -> None:
        self.component.save_pretrained(folder)


def _class_weights(loss: LossConfig, dataset: LabelledImages) -> Tensor | None:
    if loss.class_power == 0:
        return None
    return torch.tensor(inverse_frequency_weights(dataset.class_counts(), power=loss.class_power))
