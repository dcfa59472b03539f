"""A step of training: labelled images, unlabelled ones with labels from an average of the network, and the contrast."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail_prcl.consistency import by_image, by_pixel
from vitrail_prcl.contrast import Contrast, Pixels
from vitrail_prcl.data.training_set import TrainingSet
from vitrail_prcl.mixing import Views, mix
from vitrail_prcl.model import PRCLNet, Representation
from vitrail_prcl.schedule import ramp_down, ramp_up
from vitrail_prcl.segmenter import PRCLSegmenter
from vitrail_prcl.strong import Strong, resize_views
from vitrail_prcl.teacher import Teacher
from vitrail_prcl.train_config import TrainConfig
from vitrail_segmentation.losses import soft_cross_entropy
from vitrail_segmentation.metrics import ConfusionMatrix
from vitrail_segmentation.palettes import IGNORE
from vitrail_segmentation.segment import segment_array
from vitrail_training import distributed
from vitrail_training.config import FitConfig
from vitrail_training.draws import StepDraws
from vitrail_training.optim import parameter_groups
from vitrail_training.precision import autocast
from vitrail_training.task import Task

HOST, DEVICE = 0x9C1A, 0x9C1B  # streams of random numbers


class Apart(nn.Module):
    """Several batches through a network, one after the other, so that BatchNorm normalises each by its own numbers.

    The labelled images are few, and come again and again. Put into one batch with the unlabelled ones they would be
    normalised by the same numbers each time, and learnt by heart sooner: see docs/log.md, 2026-11-29.
    """

    def __init__(self, network: PRCLNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, *batches: Tensor) -> Representation:
        """The representations of all batches, put together."""
        found = [self.network(images) for images in batches]
        return Representation(*(torch.cat(parts) for parts in zip(*found, strict=True)))


class PRCLTask(Task):
    """Trains `component.module`. What is evaluated and saved is `finished`, the component with the averaged weights."""

    def __init__(self, component: PRCLSegmenter, data: TrainingSet, config: TrainConfig) -> None:
        super().__init__(Apart(component.module), data)
        self.component, self.data, self.config = component, data, config
        self.settings = {name: value for name, value in asdict(config).items() if name != "fit"}
        self.find_unused_parameters = (
            config.contrast.weight == 0
        )  # the heads of mean and variance learn by it alone
        norms = config.semi.norms if config.semi.method == "mean-teacher" else "averaged"
        self.teacher = Teacher(component.module, decay=config.semi.decay, norms=norms)
        self.finished = copy.copy(component)
        self.finished.module = self.teacher.network.eval()
        model = component.config
        self.contrast = Contrast(config.contrast, len(model.classes), model.embedding)
        self.strong = Strong(
            config.strong, mean=model.mean, std=model.std, rgb=model.bands == 3 and model.dtypes == ("uint8",)
        )
        self.host, self.device = StepDraws(HOST), StepDraws(DEVICE)

    def loss(self, model: nn.Module, batch: dict[str, Any], step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        images = batch["image"]
        self._follow(images.device)
        host, device = (draws(self.config.fit.seed, step) for draws in (self.host, self.device))
        labels = batch["labels"].masked_fill(batch["labels"] == IGNORE, -1)
        parts = [Views(self.strong(images, host), labels, torch.ones_like(labels, dtype=torch.float32))]
        if self.config.semi.method != "none":
            parts.append(self._unlabeled(batch["unlabeled"], batch["seen"], host, device))
        out: Representation = model(*(part.images for part in parts))
        views = Views(*(torch.cat(each) for each in zip(*parts, strict=True)))
        logits = self.component.module.enlarged(out.logits, labels.shape[-2:])
        count = len(images)

        supervised = soft_cross_entropy(
            logits[:count],
            labels,
            smoothing=self.config.smoothing,
            ignore=-1,
            average="valid",
            reduce_across_ranks=True,
        )
        total, told = supervised, {"supervised": supervised}
        if self.config.semi.method != "none":
            way = by_image if self.config.semi.trust == "image" else by_pixel
            unsupervised = way(
                logits[count:],
                views.labels[count:],
                views.confidence[count:],
                threshold=self.config.semi.threshold,
            )
            trust = self.config.semi.weight * ramp_up(step, length=self.config.semi.ramp)
            total = total + trust * unsupervised
            sure = (views.confidence[count:] >= self.config.semi.threshold).float().mean()
            told |= {"unsupervised": unsupervised, "sure": sure}
        if weight := self._contrast_weight(step):
            found = self.contrast(self._pixels(out, views), device)
            total = total + weight * found.loss
            told |= {"contrast": found.loss, "hard": found.hard}
        if self.config.contrast.weight:
            told["variance"] = out.variance.mean()
        return total, {name: value.detach() for name, value in told.items()}

    def _follow(self, device: torch.device) -> None:
        """Everything beside the network goes where `fit` has put it."""
        self.teacher.network.to(device)
        self.contrast.memory.to(device)
        self.device.device = device

    def _contrast_weight(self, step: int) -> float:
        chosen = self.config.contrast
        return ramp_down(step, start=chosen.weight, end=chosen.last_weight, begin=0, length=chosen.ramp)

    @torch.no_grad()
    def _unlabeled(self, weak: Tensor, seen: Tensor, host: torch.Generator, device: torch.Generator) -> Views:
        """The strong views of unlabelled images (B, bands, H, W), and their labels. seen: (B, H, W) bool, where there
        is a picture at all."""
        with autocast(self.config.fit, weak.device):
            labels, confidence = self._labelled_by(weak)
        views = Views(weak, labels.masked_fill(~seen, -1), confidence * seen)
        views = resize_views(views, self.config.strong.scales, host)
        views = mix(views, self.config.semi.mix, len(self.component.classes), device)
        return views._replace(images=self.strong(views.images, host))

    def _labelled_by(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if self.config.semi.method == "mean-teacher":
            return self.teacher.label(images)
        network = self.component.module.eval()
        confidence, labels = network(images).float().softmax(dim=1).max(dim=1)
        self.train_mode()
        return labels, confidence

    def _pixels(self, out: Representation, views: Views) -> Pixels:
        """The pixels of all views at the size of the representation; unsure pseudo-labels do not count."""
        size = out.logits.shape[-2:]
        trusted = views.labels.masked_fill(views.confidence < self.config.contrast.confident, -1)
        labels = F.interpolate(trusted[:, None].float(), size=size, mode="nearest")[:, 0].long()
        with torch.no_grad():
            probability = out.logits.softmax(dim=1).gather(1, labels.clamp_min(0)[:, None])
        mean, variance = (x.permute(0, 2, 3, 1).flatten(0, 2) for x in (out.mean, out.variance))
        return Pixels(mean, variance, labels.flatten(), probability.flatten())

    def optimizer(self, model: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
        """AdamW, or SGD with Nesterov momentum; the variance head learns more slowly ("soft freezing")."""
        chosen = self.config.optimizer
        groups = parameter_groups(
            self.component.module,
            lr=config.lr,
            weight_decay=config.weight_decay,
            decay_vectors=chosen.kind == "sgd",
            lr_scale={"variance.*": chosen.variance_lr, "backbone.*": chosen.backbone_lr},
        )
        if chosen.kind == "sgd":
            return torch.optim.SGD(groups, lr=config.lr, momentum=0.9, nesterov=True)
        return torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay)

    def after_step(self, step: int) -> None:
        self.teacher.update(self.component.module)
        self.contrast.memory.forget()

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """mIoU and accuracy of the averaged weights on the validation images, and IoU by class.

        miou_present is the mean over the classes that the validation labels have.
        """
        self.teacher.network.eval()
        matrix = ConfusionMatrix(self.component.classes)
        for case in self.data.cases(distributed.rank(), distributed.world()):
            matrix.update(case.labels, self._segmented(case.image))
        matrix.counts = np.sum(distributed.gather_objects(matrix.counts), axis=0)
        if not matrix.counts.sum():
            return {}
        return {
            "miou": matrix.miou(),
            "miou_present": matrix.miou(matrix.classes_above(0)),
            "oa": matrix.oa,
            **{f"iou/{name}": float(value) for name, value in zip(matrix.classes, matrix.iou, strict=True)},
        }

    def _segmented(self, image: np.ndarray) -> np.ndarray:
        if self.config.window:
            return segment_array(self.finished, image, tile=self.config.window).labels
        return self.finished.segment([image])[0].labels

    def state_dict(self) -> dict[str, Any]:
        return {"teacher": self.teacher.state_dict(), "prototypes": self.contrast.memory.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.teacher.load_state_dict(state["teacher"])
        self.contrast.memory.load_state_dict(state["prototypes"])

    def save(self, folder: Path) -> None:
        self.finished.save_pretrained(folder)
