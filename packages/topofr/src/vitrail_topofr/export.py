"""TopoFR as an ONNX file that insightface's model_zoo, and any runtime, opens.

    input   "data"       (B, 3, 112, 112) float32, RGB, values (x - 127.5) / 127.5
    output  "embedding"  (B, D) float32, not normalised

Normalisation is outside, since insightface normalises itself and tells by the first nodes whether a file does
too. Every BatchNorm that follows a convolution or a linear layer is folded into it, and so is the one before
the last linear layer. Those at the beginning of a block stay: before a padded convolution only a part of them
could be folded.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from vitrail.errors import BrokenError, NotInstalledError, UsageError
from vitrail.files import atomic_path
from vitrail_topofr.config import SIZE
from vitrail_topofr.model import IResNet
from vitrail_topofr.recognizer import TopoFRRecognizer
from vitrail_training.export import export_onnx

OPSET = 18
INPUT, OUTPUT = "data", "embedding"
CHECKED = (1, 3, 4)
"""Batches that a checked file has to get right."""


def fold(network: IResNet) -> IResNet:
    """A copy in eval mode that computes the same with fewer BatchNorms."""
    network = copy.deepcopy(network).float().eval()
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
    """Write the component as an ONNX file of opset 18; returns a report.

    check: run the file in onnxruntime at several batch sizes and compare the embeddings with torch's, to 1e-4
        of their length.

    Raises UsageError: another format than "onnx"; NotInstalledError: the tools are missing; BrokenError: the
    file gives other embeddings. No file is left then.
    """
    if format != "onnx":
        raise UsageError(f"{component.spec.id} is exported as onnx; {format!r} was asked for.")
    with atomic_path(path) as temporary:
        report = export_onnx(
            fold(component.module),
            _noise(2),
            temporary,
            input_names=(INPUT,),
            output_names=(OUTPUT,),
            dynamic={INPUT: {0: "batch"}},
            check=False,
            metadata={
                "component": component.spec.id,
                "normalisation": "outside: RGB, (x - 127.5) / 127.5; the embedding is not of length 1",
            },
            opset=OPSET,
        )
        errors = _differences(component.module, temporary) if check else {}
    return {
        "megabytes": round(report.size / 1e6, 1),
        "opset": report.opset,
        "input": f"{INPUT} (batch, 3, {SIZE}, {SIZE})",
        "output": f"{OUTPUT} (batch, {component.config.embedding})",
        **({"check": errors} if check else {}),
    }


def _differences(network: IResNet, path: Path) -> dict[str, dict[str, float]]:
    """How far the file's embeddings are from those of the network as it was before the folding."""
    try:
        import onnxruntime
    except ImportError as error:
        raise NotInstalledError(
            "The check needs onnxruntime: pip install 'vitrail-training[export]'"
        ) from error
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    network = copy.deepcopy(network).float().cpu().eval()
    found = {}
    for batch in CHECKED:
        images = _noise(batch)
        with torch.no_grad():
            wanted = network(images)
        given = torch.from_numpy(session.run(None, {INPUT: images.numpy()})[0])
        error = float(((given - wanted).norm(dim=1) / wanted.norm(dim=1)).max())
        if not error <= 1e-4:
            raise BrokenError(
                f"The exported network differs by {error:.3g} of an embedding's length for a batch of {batch}; at most "
                "1e-4 is allowed. Nothing was written."
            )
        found[f"batch of {batch}"] = {"largest difference from torch, relative": error}
    return found


def _noise(batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.rand(batch, 3, SIZE, SIZE, generator=generator) * 2 - 1
