"""Made weights/mtcnn once: MTCNN's three networks from the wheel of facenet-pytorch 2.6.0 (MIT) as safetensors.

    pip download facenet-pytorch==2.6.0 --no-deps
    python packages/recognition/tools/convert_mtcnn.py facenet_pytorch-2.6.0-py3-none-any.whl

Run again it writes the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import zipfile
from pathlib import Path

import torch

from vitrail.errors import InputError
from vitrail.files import write_text
from vitrail_recognition.detect.mtcnn import WEIGHTS
from vitrail_recognition.detect.mtcnn.nets import MTCNN
from vitrail_training.weights import load_weights, write_weights

WHEEL_SHA256 = "ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca"
LICENCE = "facenet_pytorch-2.6.0.dist-info/LICENSE.md"
HEADS = {
    "pnet": {"conv4_1": "face", "conv4_2": "box"},
    "rnet": {"dense4": "dense.0", "prelu4": "dense.1", "dense5_1": "face", "dense5_2": "box"},
    "onet": {
        "dense5": "dense.0", "prelu5": "dense.1", "dense6_1": "face", "dense6_2": "box", "dense6_3": "points",
    },
}  # fmt: skip


def convert(wheel: Path, folder: Path) -> None:
    """Write mtcnn.safetensors, card.json and LICENSE to `folder`. InputError for another file than that wheel."""
    data = wheel.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != WHEEL_SHA256:
        raise InputError(f"{wheel} has SHA-256 {found}; wanted is the wheel with {WHEEL_SHA256}.")
    nets, sources = MTCNN(), {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        licence = archive.read(LICENCE).decode()
        tensors = {}
        for net, heads in HEADS.items():
            name = f"facenet_pytorch/data/{net}.pt"
            raw = archive.read(name)
            sources[name] = hashlib.sha256(raw).hexdigest()
            names = trunk_names(getattr(nets, net).trunk) | heads
            for key, value in torch.load(io.BytesIO(raw), weights_only=True).items():
                layer, _, kind = key.rpartition(".")
                tensors[f"{net}.{names[layer]}.{kind}"] = value
    load_weights(nets, tensors, where=str(wheel))
    path = write_weights(folder / WEIGHTS.name, nets)
    card = {
        "what": "MTCNN face detector: PNet, RNet and ONet, fp32",
        "paper": "Zhang et al., Joint Face Detection and Alignment Using Multitask Cascaded Convolutional "
        "Networks, IEEE Signal Processing Letters 2016",
        "source": "the wheel facenet_pytorch-2.6.0-py3-none-any.whl, on PyPI",
        "licence": "MIT, Copyright (c) 2019 Timothy Esler; see LICENSE beside this file",
        "converted_by": "packages/recognition/tools/convert_mtcnn.py",
        "changes": "tensors renamed, values untouched",
        "sha256": {wheel.name: found, **sources, path.name: hashlib.sha256(path.read_bytes()).hexdigest()},
    }
    write_text(folder / "card.json", json.dumps(card, indent=2) + "\n")
    notice = "The weights in this folder are those of facenet-pytorch 2.6.0, under its licence:\n\n"
    write_text(folder / "LICENSE", notice + licence)
    print(f"Wrote {path}: {path.stat().st_size:,} bytes.")


def trunk_names(trunk: torch.nn.Sequential) -> dict[str, str]:
    """Their conv1, prelu1, conv2, ... -> our positions in the trunk; pooling layers hold nothing."""
    positions = [i for i, layer in enumerate(trunk) if not isinstance(layer, torch.nn.MaxPool2d)]
    theirs = [f"{kind}{n // 2 + 1}" for n, kind in enumerate(["conv", "prelu"] * (len(positions) // 2))]
    return {name: f"trunk.{position}" for name, position in zip(theirs, positions, strict=True)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--out", type=Path, default=WEIGHTS.parent)
    arguments = parser.parse_args()
    convert(arguments.wheel, arguments.out)
