"""CM-UNet (arXiv 2405.10530): a convolutional encoder, a decoder of selective scans, and attended skips.

    image (B, bands, H, W)
      encoder                     r1 w @H/4   r2 2w @H/8   r3 4w @H/16   r4 8w @H/32            w = config.width, 64
      skips, MSAA                 s1 w @H/4   s2 2w @H/8   s3 4w @H/16   each from all of r1, r2, r3
      stage 0   of r4             2 CSMamba blocks @8w, expand  -> 4w @H/16
      stage 1   of fuse(x, s3)    2 blocks @4w, expand          -> 2w @H/8    auxiliary head
      stage 2   of fuse(x, s2)    2 blocks @2w, expand          ->  w @H/4    auxiliary head
      stage 3   of fuse(x, s1)    2 blocks @w                   ->  w @H/4    auxiliary head
      LayerNorm, 1x1 convolution, bilinear                      -> logits (B, K, H, W)
      Where config.zoom is not 1, H and W are those of the enlarged image, and the logits are averaged back.

Parameters carry the names of the authors' released code, so that a checkpoint of theirs loads as it is.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail_cmunet.blocks import MSAA, PatchExpand, Stage
from vitrail_cmunet.config import CMUNetConfig
from vitrail_segmentation.backbone import (
    backbone_channels,
    build_backbone,
    features,
    load_pretrained_backbone,
)
from vitrail_segmentation.fitting import enlarge, shrink
from vitrail_segmentation.fitting import pad as pad_to_multiple

MULTIPLE = 32


class TrainingOutput(NamedTuple):
    """What the network returns in training mode.

    logits: (B, K, H, W).
    auxiliary: logits after stage 3, (B, K, H/4, W/4), after stage 2, the same, and after stage 1, (B, K, H/8, W/8).
    """

    logits: Tensor
    auxiliary: tuple[Tensor, Tensor, Tensor]


class CMUNet(nn.Module):
    """Normalised image (B, bands, H, W) -> logits (B, K, H, W); a `TrainingOutput` in training mode."""

    def __init__(self, config: CMUNetConfig) -> None:
        super().__init__()
        self.config = config
        width, classes = config.width, len(config.classes)
        widths = (width, 2 * width, 4 * width, 8 * width)

        self.backbone, self.taps = build_backbone(config.backbone, config.bands)
        self.match = nn.ModuleList(
            nn.Identity() if given == wanted else nn.Conv2d(given, wanted, 1, bias=False)
            for given, wanted in zip(backbone_channels(self.backbone, self.taps), widths)
        )

        self.transfer = nn.ModuleList(nn.Conv2d(c, c // 4, 1, bias=False) for c in widths[:3])
        together = sum(widths[:3]) // 4
        self.AFFs = nn.ModuleList(MSAA(together, c) for c in widths[:3])

        rates = _drop_path_rates(config)
        self.layers_up = nn.ModuleList(
            [
                nn.Sequential(
                    Stage(widths[3], rates[0], state=config.state, expand=False), PatchExpand(widths[3])
                ),
                Stage(widths[2], rates[1], state=config.state, expand=True),
                Stage(widths[1], rates[2], state=config.state, expand=True),
                Stage(widths[0], rates[3], state=config.state, expand=False),
            ]
        )
        self.concat_back_dim = nn.ModuleList(
            [nn.Identity(), *(nn.Linear(2 * c, c) for c in (widths[2], widths[1], widths[0]))]
        )
        self.norm_up = nn.LayerNorm(width)
        self.output = nn.Conv2d(width, classes, 1, bias=False)
        self.conv4 = nn.Conv2d(2 * width, classes, 1, bias=False)  # auxiliary heads, after stages 1, 2 and 3
        self.conv3 = nn.Conv2d(width, classes, 1, bias=False)
        self.conv2 = nn.Conv2d(width, classes, 1, bias=False)

        for part in (self.layers_up, self.concat_back_dim):
            part.apply(_initialise)
        if config.is_published:
            _add_unused_parameters(self, width)

    def forward(self, image: Tensor) -> Tensor | TrainingOutput:
        """In eval mode sizes that are not multiples of 32 are padded (see `pad`) and the logits cropped.

        Raises ValueError in training mode for such a size: padding would take part in the loss.
        """
        image = enlarge(image, self.config.zoom)
        height, width = image.shape[-2:]
        if not self.training:
            padded = pad(image)
            *_, last = self.decode(self.encode(padded))
            return shrink(self.head(last, padded)[..., :height, :width], self.config.zoom)
        if height % MULTIPLE or width % MULTIPLE:
            raise ValueError(
                f"training images are {height}x{width}; wanted are multiples of {MULTIPLE}, such as 512x512."
            )
        second, third, last = self.decode(self.encode(image))
        auxiliary = (
            self.conv2(_channels_first(last)),
            self.conv3(_channels_first(third)),
            self.conv4(_channels_first(second)),
        )
        return TrainingOutput(shrink(self.head(last, image), self.config.zoom), auxiliary)

    def encode(self, image: Tensor) -> list[Tensor]:
        """(B, bands, H, W), multiples of 32 -> r1..r4, (B, w, H/4, W/4) to (B, 8w, H/32, W/32)."""
        maps = features(self.backbone, self.taps, image)
        return [match(x) for match, x in zip(self.match, maps)]

    def skips(self, r1: Tensor, r2: Tensor, r3: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Each level's map joined with those of the other two, (B, w, H/4, W/4) to (B, 4w, H/16, W/16)."""
        t1, t2, t3 = (transfer(r) for transfer, r in zip(self.transfer, (r1, r2, r3)))
        return (
            self.AFFs[0](t1, _resize(t2, t1), _resize(t3, t1)),
            self.AFFs[1](t2, _resize(t1, t2), _resize(t3, t2)),
            self.AFFs[2](t3, _resize(t2, t3), _resize(t1, t3)),
        )

    def decode(self, maps: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """r1..r4 -> what stages 1, 2 and 3 give, channels-last: (B, H/8, W/8, 2w), twice (B, H/4, W/4, w)."""
        r1, r2, r3, r4 = maps
        s1, s2, s3 = (_channels_last(s) for s in self.skips(r1, r2, r3))
        x = self.layers_up[0](_channels_last(r4))
        second = self.layers_up[1](self.concat_back_dim[1](torch.cat([x, s3], dim=-1)))
        third = self.layers_up[2](self.concat_back_dim[2](torch.cat([second, s2], dim=-1)))
        last = self.layers_up[3](self.concat_back_dim[3](torch.cat([third, s1], dim=-1)))
        return second, third, last

    def head(self, last: Tensor, image: Tensor) -> Tensor:
        """What stage 3 gives, (B, H/4, W/4, w) -> logits (B, K, H, W), the size of `image`."""
        logits = self.output(_channels_first(self.norm_up(last)))
        return F.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=False)

    def load_pretrained_backbone(self) -> None:
        """Put timm's weights `config.pretrained` into the encoder; they are fetched if need be. For training only."""
        load_pretrained_backbone(self.backbone, self.config.pretrained, self.config.bands)


def pad(image: Tensor) -> Tensor:
    """(B, C, H, W) -> the same, mirrored at the bottom and the right up to the next multiple of 32."""
    return pad_to_multiple(image, MULTIPLE)


def _resize(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, corners aligned. Halving and quartering picks points, it does not average: the weights expect that."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


def _channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _channels_first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def _drop_path_rates(config: CMUNetConfig) -> list[list[float]]:
    """One list a stage: 0 to `drop_path` in even steps, counted from stride 4 to 32, against the data's way."""
    rates = torch.linspace(0, config.drop_path, sum(config.depths)).tolist()
    by_stage = []
    for depth in config.depths:
        by_stage.append(rates[-depth:])
        rates = rates[:-depth]
    return by_stage


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _add_unused_parameters(net: CMUNet, width: int) -> None:
    """Parameters of the authors' code that no forward pass reads (79,344 of them), so that names and counts agree.

    Frozen: no optimizer moves them, and data-parallel training does not wait for their gradients.
    """
    net.norm = nn.LayerNorm(8 * width)
    net.up = nn.ModuleDict({"expand": nn.Linear(width, 16 * width, bias=False), "norm": nn.LayerNorm(width)})
    unused = [net.norm, net.up]
    for level in net.AFFs:
        convolution = level.fusion_conv
        convolution.down_2 = nn.Conv2d(convolution.down.in_channels, convolution.down.out_channels, 1)
        unused.append(convolution.down_2)
    for module in unused:
        module.requires_grad_(False)
