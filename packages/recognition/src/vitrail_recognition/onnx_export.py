"""Recognisers as ONNX files that insightface's model_zoo, and any runtime, opens.

    input   "data"       (B, 3, 112, 112) float32, RGB, values (x - 127.5) / 127.5
    output  "embedding"  (B, D) float32, not normalised

Normalisation is outside, since insightface normalises itself and tells by the first nodes whether a file does too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitrail.errors import UsageError
from vitrail_recognition.torch_recognizer import CropRecognizer
from vitrail_training.export import export_onnx

OPSET = 18
INPUT, OUTPUT = "data", "embedding"
CHECKED = (1, 3, 4)
"""Batches that a checked file has to get right."""
TOLERANCE = 1e-4
"""Of the largest number in the embeddings."""


def export_recognizer(
    component: CropRecognizer, folded: nn.Module, path: Path | str, *, format: str, check: bool
) -> dict[str, Any]:
    """Write `folded`, which computes what the component's network does with fewer layers; returns a report.

    check: run the file in onnxruntime on batches of several sizes and compare the embeddings with those of the
        network as it is.

    Raises UsageError: another format than "onnx"; NotInstalledError: the tools are missing; BrokenError: the file gives
    other embeddings. No file is left then.
    """
    if format != "onnx":
        raise UsageError(f"{component.spec.id} is exported as onnx; {format!r} was asked for.")
    height, width = component.spec.inputs.size
    report = export_onnx(
        folded,
        random_crops(2, height, width),
        path,
        input_names=(INPUT,),
        output_names=(OUTPUT,),
        dynamic={INPUT: {0: "batch"}},
        check=check,
        check_on=[random_crops(batch, height, width) for batch in CHECKED],
        tolerance=TOLERANCE,
        relative=True,
        reference=component.module,
        metadata={
            "component": component.spec.id,
            "colours": "RGB",
            "normalisation": "outside: (x - 127.5) / 127.5; the embedding is not of length 1",
        },
        opset=OPSET,
    )
    differences = {
        shape: {"largest difference from torch, relative": error} for shape, error in report.errors.items()
    }
    return {
        "megabytes": round(report.size / 1e6, 1),
        "opset": report.opset,
        "input": f"{INPUT} (batch, 3, {height}, {width})",
        "output": f"{OUTPUT} (batch, {component.config.embedding})",
        **({"check": differences} if check else {}),
    }


def random_crops(batch: int, height: int, width: int) -> Tensor:
    """Noise as the network takes it, (B, 3, H, W) from -1 to 1."""
    generator = torch.Generator().manual_seed(batch)
    return torch.rand(batch, 3, height, width, generator=generator) * 2 - 1
