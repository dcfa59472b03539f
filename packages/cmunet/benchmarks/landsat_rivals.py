"""What CM-UNet is compared with on the Landsat scene: a plain U-Net, a U-Net of segmentation-models-pytorch on the
same backbone, and gradient-boosted trees on 5 x 5 neighbourhoods. And a CM-UNet with a path of full resolution.

The networks are trained by the project's own training code, with the same crops, augmentation and loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vitrail_cmunet.config import CMUNetConfig
from vitrail_cmunet.model import CMUNet, TrainingOutput, pad
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_segmentation.labelled_scene import LabelledScene
from vitrail_segmentation.palettes import IGNORE


class PlainUNet(nn.Module):
    """Four levels of two 3 x 3 convolutions with batch normalisation, `width` channels at the first."""

    def __init__(self, bands: int, classes: int, width: int) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.down = nn.ModuleList(_pair(a, b) for a, b in zip([bands, *widths], widths))
        self.widen = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_pair(2 * a, a) for a in widths[:-1])
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for level, convolutions in enumerate(self.down):
            x = convolutions(x if level == 0 else nn.functional.max_pool2d(x, 2))
            kept.append(x)
        for level in reversed(range(len(self.up))):
            x = self.up[level](torch.cat([self.widen[level](x), kept[level]], dim=1))
        return self.head(x)


def _pair(given: int, wanted: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (given, wanted):
        layers += [
            nn.Conv2d(channels, wanted, 3, padding=1, bias=False),
            nn.BatchNorm2d(wanted),
            nn.ReLU(True),
        ]
    return nn.Sequential(*layers)


class Padded(nn.Module):
    """Gives a network CM-UNet's manners: any size in eval mode, a TrainingOutput without heads in training."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor | TrainingOutput:
        if self.training:
            return TrainingOutput(self.network(image), ())  # type: ignore[arg-type]
        return self.network(pad(image))[..., : image.shape[-2], : image.shape[-1]]


@dataclass(frozen=True, kw_only=True)
class RivalConfig(CMUNetConfig):
    """CM-UNet's config without its rules about width."""

    def __post_init__(self) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class DetailedConfig(CMUNetConfig):
    """detail: channels of a path of full resolution; 0 for none."""

    detail: int = 0


class DetailedCMUNet(CMUNet):
    """CM-UNet, to whose logits two 3 x 3 convolutions of the image as it is add theirs: 5 x 5 neighbourhoods."""

    def __init__(self, config: DetailedConfig) -> None:
        super().__init__(config)
        self.detail = nn.Sequential(
            nn.Conv2d(config.bands, config.detail, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(config.detail, config.detail, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(config.detail, len(config.classes), 1),
        )
        nn.init.zeros_(self.detail[-1].weight)
        nn.init.zeros_(self.detail[-1].bias)

    def forward(self, image: Tensor) -> Tensor | TrainingOutput:
        logits, detail = super().forward(image), self.detail(image)
        return logits._replace(logits=logits.logits + detail) if self.training else logits + detail


class CMUNetCandidate(CMUNetSegmenter):
    """CM-UNet as it is, or with a path of full resolution where `config.detail` asks for one."""

    @classmethod
    def build(cls, config: DetailedConfig) -> CMUNet:
        return DetailedCMUNet(config) if config.detail else CMUNet(config)


class UNetSegmenter(CMUNetSegmenter):
    """`config.width` is the width of the first level."""

    @classmethod
    def build(cls, config: CMUNetConfig) -> nn.Module:
        return Padded(PlainUNet(config.bands, len(config.classes), config.width))


class SmpSegmenter(CMUNetSegmenter):
    """`config.backbone` is the encoder, `config.width` the decoder's width at full resolution."""

    @classmethod
    def build(cls, config: CMUNetConfig) -> nn.Module:
        import segmentation_models_pytorch as smp

        return Padded(
            smp.Unet(
                encoder_name=f"tu-{config.backbone}",
                encoder_weights=None,
                in_channels=config.bands,
                classes=len(config.classes),
                decoder_channels=[config.width * factor for factor in (8, 4, 4, 2, 1)],
            )
        )


def neighbourhoods(scene: LabelledScene, side: int = 5) -> np.ndarray:
    """(H, W, side * side * bands) float32: the pixels around each one; without data NaN, which the trees know."""
    values = np.where(scene.valid, scene.image, np.float32(np.nan))
    reach = side // 2
    padded = np.pad(values, ((reach, reach), (reach, reach), (0, 0)), constant_values=np.nan)
    height, width = scene.labels.shape
    shifts = [(top, left) for top in range(side) for left in range(side)]
    return np.concatenate([padded[t : t + height, left : left + width] for t, left in shifts], axis=2)


def fit_trees(scene: LabelledScene, trial: dict[str, Any], seed: int) -> Any:
    """Gradient-boosted trees on every labelled pixel of a part of the scene."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    known = scene.labels != IGNORE
    labels = scene.labels[known]
    shares = np.bincount(labels, minlength=len(scene.palette.classes)) / len(labels)
    weights = np.maximum(shares, 1e-6)[labels] ** -trial["class_power"]
    trees = HistGradientBoostingClassifier(
        learning_rate=trial["lr"],
        max_iter=trial["steps"],
        max_leaf_nodes=trial["leaves"],
        l2_regularization=trial["l2"],
        max_features=0.3,
        early_stopping=False,
        random_state=seed,
    )
    return trees.fit(neighbourhoods(scene)[known], labels, sample_weight=weights / weights.mean())


def predict_trees(trees: Any, scene: LabelledScene) -> np.ndarray:
    """Labels (H, W) uint8 of every pixel."""
    features = neighbourhoods(scene)
    return trees.predict(features.reshape(-1, features.shape[2])).reshape(scene.labels.shape).astype(np.uint8)
