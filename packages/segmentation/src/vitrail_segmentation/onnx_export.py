"""Segmenters as ONNX files that any runtime opens: any batch, height and width, nothing to prepare.

    input   "image"   (B, bands, H, W) float32, values as the sensor or the picture gives them (0 to 255 for uint8)
    output  "logits"  (B, K, H, W) float32, and further ones where a method has them

Normalisation is inside. The names and colours of the classes are in the file's metadata, as JSON. This module needs
torch; install `vitrail-segmentation[train]` and `vitrail-training[export]`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vitrail.errors import UsageError
from vitrail_segmentation.network_config import NetworkConfig
from vitrail_segmentation.noise import noise_images
from vitrail_segmentation.torch_segmenter import TorchSegmenter
from vitrail_training.export import export_onnx

OPSET = 18
CHECKED = ((2, 64, 64), (1, 96, 160), (1, 70, 45), (3, 33, 1))
"""Batch, height and width of the images that a checked file has to get right."""


class OnRawValues(nn.Module):
    """A copy of a network of normalised images that takes raw values (B, bands, H, W)."""

    def __init__(self, network: nn.Module, config: NetworkConfig) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).float().eval()
        self.register_buffer("mean", torch.tensor(config.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(config.std).view(1, -1, 1, 1))

    def forward(self, image: Tensor) -> Any:
        return self.network((image - self.mean) / self.std)


def export_segmenter(
    component: TorchSegmenter,
    path: Path | str,
    *,
    format: str,
    check: bool,
    network: nn.Module | None = None,
    outputs: Sequence[str] = ("logits",),
    custom_translation_table: dict[Callable[..., Any], Callable[..., Any]] | None = None,
) -> dict[str, Any]:
    """Write the component as an ONNX file of opset 18; returns a report.

    check: run the file in onnxruntime on images of several sizes and compare all outputs with torch's, to 1e-4.
    network: what to export where it is not the component's network as it is; one tensor for each of `outputs`.
    custom_translation_table: torch operator -> ONNX Script function, for operators of one's own.

    Raises UsageError: another format than "onnx"; NotInstalledError: the tools are missing; BrokenError: the file
    computes something else. No file is left then.
    """
    if format != "onnx":
        raise UsageError(f"{component.spec.id} is exported as onnx; {format!r} was asked for.")
    report = export_onnx(
        OnRawValues(component.module if network is None else network, component.config),
        _raw_tensor(component, 2, 70, 90),
        path,
        input_names=("image",),
        output_names=outputs,
        dynamic={"image": {0: "batch", 2: "height", 3: "width"}},
        check=check,
        check_on=[_raw_tensor(component, *size) for size in CHECKED],
        metadata={
            "component": component.spec.id,
            "classes": json.dumps(component.classes),
            "palette": json.dumps(component.config.palette),
            "dtypes": json.dumps(component.dtypes),
            "normalisation": "inside: give raw values",
        },
        custom_translation_table=custom_translation_table,
        opset=OPSET,
    )
    differences = {shape: {"largest difference from torch": error} for shape, error in report.errors.items()}
    return {
        "megabytes": round(report.size / 1e6, 1),
        "opset": report.opset,
        **({"check": differences} if check else {}),
    }


def _raw_tensor(component: TorchSegmenter, batch: int, height: int, width: int) -> Tensor:
    """Images (B, bands, H, W) float32 as the file takes them."""
    images = np.stack(noise_images(component, batch, height, width)).astype(np.float32)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
