"""TopoFR as an ONNX file, with as few BatchNorms as can be.

Every BatchNorm that follows a convolution or a linear layer is folded into it, and so is the one before the last linear
layer. Those at the beginning of a block stay: before a padded convolution only a part of them could be folded. What the
file has: see `vitrail_recognition.onnx_export`.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from vitrail_recognition.onnx_export import export_recognizer
from vitrail_topofr.model import IResNet
from vitrail_topofr.recognizer import TopoFRRecognizer


def fold(network: IResNet) -> IResNet:
    """A copy in eval mode that computes the same with fewer BatchNorms."""
    network = copy.deepcopy(network).cpu().float().eval()
    _fold_convolution(network, "conv1", "bn1")
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in stage:
            _fold_convolution(block, "conv1", "bn2")
            _fold_convolution(block, "conv2", "bn3")
            if block.downsample is not None:
                _fold_convolution(block.downsample, "0", "1")
    _fold_before_linear(network)
    network.fc = fuse_linear_bn_eval(network.fc, network.features)
    network.features = nn.Identity()
    return network


def _fold_convolution(parent: nn.Module, convolution: str, norm: str) -> None:
    fused = fuse_conv_bn_eval(getattr(parent, convolution), getattr(parent, norm))
    setattr(parent, convolution, fused)
    setattr(parent, norm, nn.Identity())


@torch.no_grad()
def _fold_before_linear(network: IResNet) -> None:
    """fc(flatten(a x + b)) = (W a) flatten(x) + (W b + c), a and b of a channel repeated over its pixels."""
    norm, linear = network.bn2, network.fc
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - norm.running_mean * gain
    pixels = linear.in_features // len(gain)
    gain, shift = gain.repeat_interleave(pixels), shift.repeat_interleave(pixels)
    linear.bias += linear.weight @ shift
    linear.weight *= gain
    network.bn2 = nn.Identity()


def export(
    component: TopoFRRecognizer, path: Path | str, *, format: str = "onnx", check: bool = False
) -> dict[str, Any]:
    """Write the component as an ONNX file; see `vitrail_recognition.onnx_export`."""
    return export_recognizer(component, fold(component.module), path, format=format, check=check)
