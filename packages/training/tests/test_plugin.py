from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import vitrail_training
from vitrail.hookspecs import ENTRY_POINT_GROUP
from vitrail_training import plugin


def test_importing_is_light():
    code = """
import sys, vitrail_training, vitrail_training.plugin
assert {"fit", "Task", "FitConfig", "TorchComponent"} <= set(dir(vitrail_training))
heavy = {"torch", "numpy", "accelerate", "numba", "triton", "safetensors"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_public_names_are_there():
    for name in vitrail_training.__all__:
        assert getattr(vitrail_training, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'fti'"):
        _ = vitrail_training.fti


def test_it_is_registered():
    from importlib.metadata import entry_points

    (found,) = (point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name == "training")
    assert found.load() is plugin


def test_doctor(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    lines = plugin.vitrail_doctor()
    assert lines[0].level == "ok"
    assert f"torch {torch.__version__}" in lines[0].text
    assert any("kernel backend: auto" in line.text for line in lines)
    if not torch.cuda.is_available():
        assert any(line.level == "note" and "no CUDA device" in line.text for line in lines)
    monkeypatch.setenv("VITRAIL_KERNELS", "opencl")
    (found,) = (line for line in plugin.vitrail_doctor() if "VITRAIL_KERNELS" in line.text)
    assert found.level == "note"
    assert "'opencl', none of auto, reference, triton, cpu" in found.text


def test_doctor_names_missing_extras(monkeypatch):
    monkeypatch.setattr(plugin, "find_spec", lambda name: None if name == "onnx" else object())
    notes = [line.text for line in plugin.vitrail_doctor() if "pip install" in line.text]
    assert notes == ["onnx not installed: pip install 'vitrail-training[export]'"]
