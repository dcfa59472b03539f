"""PRCL behind the core's Segmenter interface, and what it has to give beyond labels: how uncertain each pixel is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from vitrail_prcl.config import PRCLConfig
from vitrail_prcl.model import PRCLNet
from vitrail_segmentation.torch_segmenter import TorchSegmenter


@dataclass(frozen=True)
class Measured:
    """One image, pixel by pixel.

    labels: (H, W) uint8, uint16 for more than 255 classes. confidence: (H, W) float32, the largest of the classes'
    probabilities. uncertainty: (H, W) float32 from 0 to 1, the mean variance of the representation.
    """

    labels: NDArray[np.uint8] | NDArray[np.uint16]
    confidence: NDArray[np.float32]
    uncertainty: NDArray[np.float32]


class PRCLSegmenter(TorchSegmenter):
    """Images (H, W, bands) of any sizes -> labels (H, W). `module` takes the normalised image, see `prepare`."""

    config_class: ClassVar[type] = PRCLConfig
    config: PRCLConfig
    module: PRCLNet

    @classmethod
    def build(cls, config: PRCLConfig) -> PRCLNet:
        return PRCLNet(config)

    @torch.inference_mode()
    def measure(self, images: Sequence[NDArray[Any]]) -> list[Measured]:
        """Labels, confidence and uncertainty at each image's own size, from one pass.

        Raises InputError for an image of another shape or dtype, or with numbers that are not finite.
        """
        found: dict[int, Measured] = {}
        for group, prepared in self.batches(images):
            logits, uncertainty = self.module.measure(prepared)
            confidence, labels = logits.float().softmax(dim=1).max(dim=1)
            for place, index in enumerate(group):
                found[index] = Measured(
                    labels=labels[place].cpu().numpy().astype(self.label_dtype),
                    confidence=confidence[place].cpu().numpy(),
                    uncertainty=uncertainty[place].cpu().numpy(),
                )
        return [found[index] for index in range(len(images))]

    def uncertainty(self, images: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """How uncertain each pixel is, (H, W) float32 from 0 to 1 for each image; see `measure`."""
        return [each.uncertainty for each in self.measure(images)]
