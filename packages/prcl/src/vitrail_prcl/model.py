"""PRCL (arXiv 2402.18117): DeepLabV3+ that gives every pixel a class, and a Gaussian as its representation.

    image (B, bands, H, W)
      backbone, dilated        low  @h,w = H/4, W/4      high @H/s, W/s          s = config.output_stride, 16
      project of low           48  @h,w                                          48 = config.low_width
      ASPP of high, bilinear   256 @h,w                                          256 = config.width
      f, both together         304 @h,w
      classifier of f          logits   (B, K, h, w)
      representation of f      mean     (B, D, h, w), not of length 1            D = config.embedding
      variance of f            variance (B, D, h, w), from 0 to 1, one for each number of the mean
      Where config.zoom is not 1, H and W are those of the enlarged image; what comes back to its pixels is averaged.

Maps are resized with aligned corners. `classifier`, `representation`, `project` and `ASPP` carry the names of the
authors' released code; `vitrail_prcl.convert` says how the others are called there.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail_prcl.config import PRCLConfig
from vitrail_prcl.heads import ASPP, VarianceHead, convolution, projection
from vitrail_segmentation.backbone import (
    backbone_channels,
    build_backbone,
    features,
    load_pretrained_backbone,
    size_multiple,
)
from vitrail_segmentation.fitting import enlarge, pad, shrink


class Representation(NamedTuple):
    """What the network says of every place of its maps, at a quarter of the (enlarged) image.

    logits: (B, K, h, w). mean: (B, D, h, w), not normalised. variance: (B, D, h, w) float32, from 1e-6 to 1.
    """

    logits: Tensor
    mean: Tensor
    variance: Tensor


class PRCLNet(nn.Module):
    """Normalised image (B, bands, H, W) -> logits (B, K, H, W); a `Representation` in training mode."""

    def __init__(self, config: PRCLConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone, self.taps = build_backbone(
            config.backbone, config.bands, (4, config.output_stride), output_stride=config.output_stride
        )
        self.multiple = size_multiple(self.backbone, self.taps, config.bands)
        low, high = backbone_channels(self.backbone, self.taps)
        fused = config.low_width + config.width

        self.ASPP = ASPP(high, config.width, config.dilations)
        self.project = convolution(low, config.low_width)
        self.classifier = projection(fused, config.width, len(config.classes))
        self.representation = projection(fused, config.width, config.embedding)
        self.variance = VarianceHead(fused, config.embedding)

    def forward(self, image: Tensor) -> Tensor | Representation:
        """In eval mode an image of any size is taken; see `represent` for training mode."""
        if self.training:
            return self.represent(image)
        seen = self.see(image)
        return self.enlarged(self.classifier(self.fuse(seen)), image.shape[-2:], seen.shape[-2:])

    def represent(self, image: Tensor) -> Representation:
        """Logits, means and variances at a quarter of the (enlarged) image, in either mode.

        Raises ValueError for a size that the backbone would cut the edges off (`multiple`: never for ResNets), and in
        training mode for a single image, whose one value after the global pool no BatchNorm can normalise.
        """
        batch = len(image)
        image = enlarge(image, self.config.zoom)
        height, width = image.shape[-2:]
        if height % self.multiple or width % self.multiple:
            raise ValueError(
                f"the network sees {height}x{width} pixels; {self.config.backbone} wants multiples of {self.multiple}, "
                "so that no edge is lost."
            )
        if batch == 1 and self._normalises_by_batch():
            raise ValueError(
                "a training batch of 1 image has nothing to be normalised by after ASPP's global pool; wanted are at "
                "least 2 images, or SyncBatchNorm over several processes."
            )
        f = self.fuse(image)
        return Representation(self.classifier(f), self.representation(f), self.variance(f))

    def measure(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K, H, W) and, in one pass, how uncertain each pixel is: (B, H, W) float32 from 0 to 1.

        The uncertainty is the mean of the D variances, brought to the image's size as the logits are. For eval mode,
        which takes images of any size.
        """
        seen = self.see(image)
        f = self.fuse(seen)
        logits, uncertainty = (
            self.enlarged(maps, image.shape[-2:], seen.shape[-2:])
            for maps in (self.classifier(f), self.variance(f).mean(dim=1, keepdim=True))
        )
        return logits, uncertainty[:, 0]

    def fuse(self, image: Tensor) -> Tensor:
        """(B, bands, H, W), multiples of `multiple` -> f (B, low_width + width, H/4, W/4), rounded up."""
        low, high = features(self.backbone, self.taps, image)
        return torch.cat([self.project(low), _resize(self.ASPP(high), low.shape[-2:])], dim=1)

    def see(self, image: Tensor) -> Tensor:
        """The image as the backbone sees it: enlarged, and padded at the bottom and the right where that is needed."""
        return pad(enlarge(image, self.config.zoom), self.multiple)

    def enlarged(self, maps: Tensor, size: tuple[int, int], seen: tuple[int, int] | None = None) -> Tensor:
        """Maps of images of `size` (H, W), (B, C, h, w) -> (B, C, H, W).

        seen: height and width of what the backbone saw, where that was padded.
        """
        zoom = self.config.zoom
        height, width = size[0] * zoom, size[1] * zoom
        return shrink(_resize(maps, seen or (height, width))[..., :height, :width], zoom)

    def load_pretrained_backbone(self) -> None:
        """Put timm's weights `config.pretrained` into the encoder; they are fetched if need be. For training only."""
        load_pretrained_backbone(self.backbone, self.config.pretrained, self.config.bands)

    def _normalises_by_batch(self) -> bool:
        """Whether the branch after the global pool needs more than one image in this process."""
        norm = self.ASPP.convs[-1][2]
        return norm.training and not isinstance(norm, nn.SyncBatchNorm)


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)
