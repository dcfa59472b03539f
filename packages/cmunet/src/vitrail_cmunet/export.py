"""CM-UNet as an ONNX file that any runtime opens: plain operators, any batch, height and width, nothing to prepare.

    input   "image"   (B, bands, H, W) float32, values as the sensor or the picture gives them (0 to 255 for uint8)
    output  "logits"  (B, K, H, W) float32

Normalisation, padding to multiples of 32 and cropping are inside. The names and colours of the classes are in the
file's metadata, as JSON.
"""

from __future__ import annotations

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitrail.errors import NotInstalledError, UsageError
from vitrail_cmunet.csmamba import SS2D
from vitrail_cmunet.kernels.selective_scan import backends, cross_scan
from vitrail_cmunet.model import MULTIPLE, CMUNet
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_training.export import export_onnx

OPSET = 18
CHECKED = ((2, 64, 64), (1, 96, 160), (1, 70, 45), (3, 33, 1))
"""Batch, height and width of the images that a checked file has to get right."""


class RawToLogits(nn.Module):
    """What is exported: raw values (B, bands, H, W) -> logits (B, K, H, W)."""

    def __init__(self, network: CMUNet) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).float().eval()
        # Chosen here and not in the trace: `chunk` would depend on a size that is open, and a backend may be compiled.
        scan = partial(cross_scan, backend=backends.pick(torch.empty(0)), chunk=64)
        for module in self.network.modules():
            if isinstance(module, SS2D):
                module.scan = scan
        self.register_buffer("mean", torch.tensor(network.config.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(network.config.std).view(1, -1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        image = self.network.enlarge((image - self.mean) / self.std)
        height, width = image.shape[-2:]
        image = image.index_select(2, _padded(height, image.device)).index_select(
            3, _padded(width, image.device)
        )
        *_, last = self.network.decode(self.network.encode(image))
        logits = self.network.head(last, image).narrow(2, 0, height).narrow(3, 0, width)
        return self.network.reduce(logits)


def _padded(length: int, device: torch.device) -> Tensor:
    """Which of `length` pixels stands where after `vitrail_cmunet.model.pad`, without a branch on the length."""
    total = (length + MULTIPLE - 1) // MULTIPLE * MULTIPLE
    place = torch.arange(total, device=device)
    too_short = torch.full((1,), (total - length) // length, device=device).clamp(max=1)  # 0 or 1
    beyond = (1 - too_short) * (2 * (length - 1) - place) + too_short * (length - 1)
    return torch.where(place < length, place, beyond)


def export(
    component: CMUNetSegmenter, path: Path | str, *, format: str = "onnx", check: bool = False
) -> dict[str, Any]:
    """Write the component as an ONNX file of opset 18; returns a report.

    check: run the file in onnxruntime on images of several sizes and compare the logits with torch's, to 1e-4.

    Raises UsageError: another format than "onnx"; NotInstalledError: the tools are missing; BrokenError: the
    file gives other logits. No file is left then.
    """
    if format != "onnx":
        raise UsageError(f"{component.spec.id} is exported as onnx; {format!r} was asked for.")
    try:
        from vitrail_cmunet import onnx_scan
    except ImportError as error:
        raise NotInstalledError(
            f'The export needs {error.name}: pip install "vitrail-training[export]"'
        ) from error
    report = export_onnx(
        RawToLogits(component.module),
        _noise(component, 2, 70, 90),
        path,
        input_names=("image",),
        output_names=("logits",),
        dynamic={"image": {0: "batch", 2: "height", 3: "width"}},
        check=check,
        check_on=[_noise(component, *size) for size in CHECKED],
        metadata={
            "component": component.spec.id,
            "classes": json.dumps(component.classes),
            "palette": json.dumps(component.config.palette),
            "dtypes": json.dumps(component.dtypes),
            "normalisation": "inside: give raw values",
        },
        custom_translation_table={torch.ops.vitrail_cmunet.cross_scan.default: onnx_scan.cross_scan},
        opset=OPSET,
    )
    differences = {shape: {"largest difference from torch": error} for shape, error in report.errors.items()}
    return {
        "megabytes": round(report.size / 1e6, 1),
        "opset": report.opset,
        **({"check": differences} if check else {}),
    }


def _noise(component: CMUNetSegmenter, batch: int, height: int, width: int) -> Tensor:
    """Images (B, bands, H, W) with the mean and spread that the network expects."""
    mean, std = (
        torch.tensor(values).view(1, -1, 1, 1) for values in (component.config.mean, component.config.std)
    )
    generator = torch.Generator().manual_seed(height)
    return mean + std * torch.randn(batch, component.bands, height, width, generator=generator)
