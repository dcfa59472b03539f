"""PRCL as an ONNX file; what the file has: see `vitrail_segmentation.onnx_export`.

On request it has a second output, "uncertainty" (B, H, W) float32: see `PRCLNet.measure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vitrail_prcl.model import PRCLNet
from vitrail_prcl.segmenter import PRCLSegmenter
from vitrail_segmentation.onnx_export import export_segmenter


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What the file gives.

    uncertainty: a second output beside the logits, how uncertain each pixel is.
    """

    uncertainty: bool = False


class LogitsAndUncertainty(nn.Module):
    """The network's `measure` as the module that is exported."""

    def __init__(self, network: PRCLNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.measure(image)


def export(
    component: PRCLSegmenter,
    path: Path | str,
    *,
    format: str = "onnx",
    check: bool = False,
    options: ExportOptions = ExportOptions(),
) -> dict[str, Any]:
    """Write the component as an ONNX file; see `vitrail_segmentation.onnx_export.export_segmenter`."""
    both = options.uncertainty
    return export_segmenter(
        component,
        path,
        format=format,
        check=check,
        network=LogitsAndUncertainty(component.module) if both else component.module,
        outputs=("logits", "uncertainty") if both else ("logits",),
    )
