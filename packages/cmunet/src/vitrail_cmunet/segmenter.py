"""CM-UNet behind the core's Segmenter interface."""

from __future__ import annotations

from typing import ClassVar

from vitrail_cmunet.config import CMUNetConfig
from vitrail_cmunet.model import CMUNet
from vitrail_segmentation.torch_segmenter import TorchSegmenter


class CMUNetSegmenter(TorchSegmenter):
    """Images (H, W, bands) of any sizes -> labels (H, W). `module` takes the normalised image, see `prepare`."""

    config_class: ClassVar[type] = CMUNetConfig
    config: CMUNetConfig
    module: CMUNet

    @classmethod
    def build(cls, config: CMUNetConfig) -> CMUNet:
        return CMUNet(config)
