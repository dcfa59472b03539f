"""TransFace as an ONNX file. The batch normalisation of the head is folded into its two linear layers.

insightface takes a file whose first eight nodes have names that begin with Sub and with Mul for one that normalises
inside, so the network must not begin with such nodes. What the file has: see `vitrail_recognition.onnx_export`.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitrail_recognition.onnx_export import export_recognizer
from vitrail_transface.model import TransFaceViT
from vitrail_transface.recognizer import TransFaceRecognizer


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
    """Write the component as an ONNX file; see `vitrail_recognition.onnx_export`."""
    return export_recognizer(component, FoldedViT(component.module), path, format=format, check=check)
