"""CM-UNet as an ONNX file of plain operators; what the file has: see `vitrail_segmentation.onnx_export`.

Padding to multiples of 32 and cropping are inside as well.
"""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import torch

from vitrail.errors import NotInstalledError
from vitrail_cmunet.csmamba import SS2D
from vitrail_cmunet.kernels.selective_scan import backends, cross_scan
from vitrail_cmunet.model import CMUNet
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_segmentation.onnx_export import export_segmenter


def export(
    component: CMUNetSegmenter, path: Path | str, *, format: str = "onnx", check: bool = False
) -> dict[str, Any]:
    """Write the component as an ONNX file; see `vitrail_segmentation.onnx_export.export_segmenter`."""
    try:
        from vitrail_cmunet import onnx_scan
    except ImportError as error:
        raise NotInstalledError(
            f'The export needs {error.name}: pip install "vitrail-training[export]"'
        ) from error
    return export_segmenter(
        component,
        path,
        format=format,
        check=check,
        network=_with_fixed_scan(component.module),
        custom_translation_table={torch.ops.vitrail_cmunet.cross_scan.default: onnx_scan.cross_scan},
    )


def _with_fixed_scan(network: CMUNet) -> CMUNet:
    """A copy whose scans choose nothing in the trace: `chunk` would depend on a size that is open, and a backend may
    be compiled."""
    network = copy.deepcopy(network)
    scan = partial(cross_scan, backend=backends.pick(torch.empty(0)), chunk=64)
    for module in network.modules():
        if isinstance(module, SS2D):
            module.scan = scan
    return network
