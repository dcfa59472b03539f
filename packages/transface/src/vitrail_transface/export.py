"""TransFace as an ONNX file that insightface and any other runtime opens: plain operators and one output.

    input   "data"        (B, 3, 112, 112) float32, RGB, (value - 127.5) / 127.5
    output  "embedding"   (B, E) float32, not of unit length

Normalisation stays outside because insightface normalises itself. It takes a file whose first eight nodes have names
that begin with Sub and with Mul for one that normalises inside. The batch normalisation of the head is folded into
its two linear layers.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitrail.errors import BrokenError, UsageError
from vitrail_training.export import export_onnx
from vitrail_transface.config import SIZE
from vitrail_transface.model import TransFaceViT
from vitrail_transface.recognizer import TransFaceRecognizer

OPSET = 18
TOLERANCE = 1e-4
CHECKED = (1, 3)
"""Batches that a checked file has to get right, beside the one that it was traced with."""


class FoldedViT(nn.Module):
    """What is exported: normalised faces (B, 3, 112, 112) -> embeddings (B, E)."""

    def __init__(self, network: TransFaceViT) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).cpu().float().eval()
        first, norm, second, last = self.network.feature
        self.network.feature = nn.Sequential(fold(first, norm), fold(second, last))

    def forward(self, data: Tensor) -> Tensor:
        tokens = self.network.tokens(data)
        if self.network.senet is not None:
            tokens = tokens * self.network.senet(tokens.flatten(1)).unsqueeze(-1)
        return self.network.feature(tokens.flatten(1))


@torch.no_grad()
def fold(linear: nn.Linear, norm: nn.BatchNorm1d) -> nn.Linear:
    """A linear layer without bias and the batch normalisation after it, as one linear layer, in eval mode."""
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    folded = nn.Linear(linear.in_features, linear.out_features)
    folded.weight.copy_(scale[:, None] * linear.weight.double())
    folded.bias.copy_(norm.bias.double() - scale * norm.running_mean.double())
    return folded


def export(
    component: TransFaceRecognizer, path: Path | str, *, format: str = "onnx", check: bool = False
) -> dict[str, Any]:
    """Write the component as an ONNX file of opset 18; returns a report.

    check: run the file in onnxruntime on batches of several sizes and compare the embeddings with those of the
        network as it is, batch normalisation and all, to 1e-4.

    Raises UsageError: another format than "onnx"; NotInstalledError: the tools are missing; BrokenError: the file gives
    other embeddings. No file is left then.
    """
    if format != "onnx":
        raise UsageError(f"{component.spec.id} is exported as onnx; {format!r} was asked for.")
    folded = FoldedViT(component.module)
    if check:
        _check_fold(folded, component.module)
    report = export_onnx(
        folded,
        _noise(2),
        path,
        input_names=("data",),
        output_names=("embedding",),
        dynamic={"data": {0: "batch"}},
        check=check,
        check_on=[_noise(batch) for batch in CHECKED],
        metadata={
            "component": component.spec.id,
            "colours": "RGB",
            "normalisation": "outside: (value - 127.5) / 127.5",
        },
        tolerance=TOLERANCE,
        opset=OPSET,
    )
    differences = {shape: {"largest difference from torch": error} for shape, error in report.errors.items()}
    return {
        "megabytes": round(report.size / 1e6, 1),
        "opset": report.opset,
        **({"check": differences} if check else {}),
    }


@torch.no_grad()
def _check_fold(folded: FoldedViT, network: TransFaceViT) -> None:
    images = _noise(2)
    device = network.pos_embed.device
    error = (folded(images) - network(images.to(device)).cpu().float()).abs().max().item()
    if not error <= TOLERANCE:
        raise BrokenError(
            f"Folding the batch normalisation changes the embeddings by {error:.3g}; at most {TOLERANCE:g} is allowed."
        )


def _noise(batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randn(batch, 3, SIZE, SIZE, generator=generator).clamp(-1, 1)
