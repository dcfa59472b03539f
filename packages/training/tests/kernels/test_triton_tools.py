from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from vitrail_training.kernels.aot import ARCHITECTURES, compile_kernel
from vitrail_training.kernels.interpreter import run_interpreted

pytest.importorskip("triton")
TOY = Path(__file__).with_name("toy_kernel.py")


def toy():
    spec = importlib.util.spec_from_file_location("toy_kernel", TOY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_kernel_runs_in_the_interpreter():
    assert run_interpreted(TOY, "run", 37, 0.5)["error"] < 1e-6


def test_a_failure_in_the_interpreter_is_told():
    with pytest.raises(AssertionError, match="a reason to fail"):
        run_interpreted(TOY, "fail")


def test_a_module_can_be_given_by_name():
    assert run_interpreted("os.path", "basename", "a/b") == "b"


def test_too_long_in_the_interpreter_is_told():
    with pytest.raises(AssertionError, match=r"took longer than 0\.5 s"):
        run_interpreted("time", "sleep", 60, timeout=0.5)


def test_compiles_for_every_architecture_without_a_device():
    signature = {"x": "*fp32", "y": "*bf16", "out": "*fp32", "n": "i32", "scale": "fp32"}
    compiled = compile_kernel(toy().scaled_sum, signature, {"BLOCK": 256})
    assert [c.architecture for c in compiled] == list(ARCHITECTURES)
    for one in compiled:
        assert one.shared_bytes == 0
        assert one.registers is None or 0 < one.registers <= 255
        assert f"sm_{one.architecture}" in str(one)


def test_what_does_not_compile_is_named():
    signature = {"x": "*fp32", "y": "*fp32", "out": "*fp32", "n": "i32", "scale": "fp32"}
    with pytest.raises(AssertionError, match=r"scaled_sum does not compile for sm_80 with .*100"):
        compile_kernel(toy().scaled_sum, signature, {"BLOCK": 100}, architectures=[80])  # not a power of two
    with pytest.raises(ValueError, match="also takes scale"):
        compile_kernel(toy().scaled_sum, {k: v for k, v in signature.items() if k != "scale"}, {"BLOCK": 16})
