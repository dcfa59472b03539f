"""What the network is made of: one frozen dataclass, checked when it is built. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vitrail.errors import UsageError
from vitrail_segmentation.network_config import NetworkConfig
from vitrail_segmentation.palettes import get_palette


@dataclass(frozen=True, kw_only=True)
class PRCLConfig(NetworkConfig):
    """DeepLabV3+ on any backbone, with a mean and a variance for every pixel. The defaults are the paper's, for VOC.

    backbone: any timm model that takes images of any size and gives features at stride 4 and at `output_stride`.
    pretrained: timm name of the backbone weights that *training* starts from; empty for none. Loading a component
        never fetches them.
    output_stride: 16 or 8, what the encoder shrinks an image by; its last stages are dilated. 32 leaves the backbone as
        it is, for networks that cannot be dilated.
    width: channels of ASPP, of the decoder and of the heads.
    low_width: channels that the map at stride 4 is reduced to.
    embedding: D, numbers in a pixel's mean and in its variance.
    zoom: how many times the network enlarges the image before it looks at it; the logits are averaged back. The decoder
        decides at a quarter of what it looks at, which is coarse where a pixel is 30 m wide.
    """

    backbone: str = "resnet101"
    pretrained: str = ""
    output_stride: Literal[8, 16, 32] = 16
    width: int = 256
    low_width: int = 48
    embedding: int = 256
    zoom: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output_stride not in (8, 16, 32):
            raise UsageError(f"output_stride is {self.output_stride}; wanted is 8, 16 or 32.")
        for name in ("width", "low_width", "embedding", "zoom"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; wanted is at least 1.")

    @property
    def dilations(self) -> tuple[int, int, int]:
        """Of ASPP's three 3x3 convolutions."""
        return {8: (12, 24, 36), 16: (6, 12, 18), 32: (3, 6, 9)}[self.output_stride]


def r101() -> PRCLConfig:
    """The paper's network, for the 21 classes of VOC."""
    return _published("resnet101")


def r50() -> PRCLConfig:
    """The same on ResNet-50."""
    return _published("resnet50")


def landsat() -> PRCLConfig:
    """The small network of the preset of that name."""
    from vitrail_prcl.presets import landsat as preset  # presets import this module

    return preset().model


def _published(backbone: str) -> PRCLConfig:
    palette = get_palette("voc")
    return PRCLConfig(backbone=backbone, classes=palette.classes, palette=palette.colours)
