"""The op against its reference by check_op, the choice of a backend, and wrong arguments."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from vitrail.errors import VitrailError
from vitrail_cmunet.kernels.selective_scan import backends, cross_scan, doctor
from vitrail_cmunet.kernels.selective_scan.reference import cross_scan_reference
from vitrail_cmunet.kernels.selective_scan.sample import random_inputs
from vitrail_training.kernels.check import Case, check_op


def by_definition(x, x_proj_weight, dt_projs_weight, dt_projs_bias, A_logs, Ds):
    """Autograd through the plain loop, without the op."""
    projected = torch.nn.functional.linear(x, x_proj_weight.flatten(0, 1))
    return cross_scan_reference(x, projected, dt_projs_weight, dt_projs_bias, A_logs, Ds)[0]


def with_backend(name: str, chunk: int | None = None):
    def scan(x, x_proj_weight, dt_projs_weight, dt_projs_bias, A_logs, Ds):
        return cross_scan(
            x, x_proj_weight, dt_projs_weight, dt_projs_bias, A_logs, Ds, backend=name, chunk=chunk
        )

    scan.__name__ = f"cross_scan[{name}, chunk {chunk}]"
    return scan


CASES = [
    Case("stage-B2-H4-W6-d16-N16-R2", random_inputs(2, 4, 6, 16, 16, 2)),
    Case("odd-B1-H3-W5-d5-N3-R3", random_inputs(1, 3, 5, 5, 3, 3)),
    Case("blocks-B1-H5-W3-d40-N5-R4", random_inputs(1, 5, 3, 40, 5, 4)),
    Case("rank-17-B1-H2-W3-d16-N2", random_inputs(1, 2, 3, 16, 2, 17)),
    Case("one-pixel", random_inputs(1, 1, 1, 3, 2, 1)),
    Case("no-images", random_inputs(0, 3, 5, 5, 3, 3)),
    Case("no-rows", random_inputs(2, 0, 5, 5, 3, 3)),
]
SMALL = Case("tiny-B1-H3-W2-d2-N2-R1", random_inputs(1, 3, 2, 2, 2, 1))


def test_reference_op():
    check_op(with_backend("reference", 4), by_definition, [*CASES[1:3], CASES[-2], SMALL], double=True)


@pytest.mark.parametrize("chunk", [None, 4])
def test_cpu_op(chunk):
    check_op(with_backend("cpu", chunk), by_definition, [*CASES, SMALL])


def test_cpu_op_in_bfloat16():
    inputs = tuple(tensor.bfloat16() for tensor in random_inputs(1, 4, 3, 16, 4, 2))
    y = cross_scan(*inputs, backend="cpu")
    wanted = by_definition(*(tensor.double() for tensor in inputs))
    assert (y.double() - wanted).norm() / wanted.norm() < 2e-2


def test_auto_uses_the_compiled_loops_on_a_cpu(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    x = torch.zeros(1, 2, 2, 4)
    assert backends.pick(x) == "cpu"
    assert backends.pick(x.double()) == "reference"
    assert next(line.level for line in doctor()) == "ok"


def test_what_is_asked_for_and_cannot_run_is_an_error(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    inputs = random_inputs(1, 2, 2, 4, 2, 1)
    for name, reason in [
        ("triton", "needs a CUDA device"),
        ("mamba", "needs a CUDA device"),
        ("fast", "unknown"),
    ]:
        monkeypatch.setenv("VITRAIL_KERNELS", name)
        with pytest.raises(VitrailError, match=f"VITRAIL_KERNELS={name} .*{reason}"):
            cross_scan(*inputs)
    monkeypatch.setenv("VITRAIL_KERNELS", "cpu")
    with pytest.raises(VitrailError, match="computes in float32"):
        cross_scan(*(tensor.double() for tensor in inputs))
    monkeypatch.setenv("VITRAIL_KERNELS", "reference")
    assert cross_scan(*inputs).shape == inputs[0].shape


def test_without_numba_auto_falls_back_and_doctor_says_so():
    program = """
import sys
sys.modules["numba"] = None
import torch
from vitrail_cmunet.kernels.selective_scan import backends, cross_scan, doctor
from vitrail_cmunet.kernels.selective_scan.sample import random_inputs
inputs = random_inputs(1, 2, 3, 4, 2, 1)
assert backends.pick(inputs[0]) == "reference"
assert cross_scan(*inputs).shape == inputs[0].shape
print([(line.level, line.text) for line in doctor()][0])
"""
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert "problem" in output
    assert "numba" in output


def test_wrong_shapes_are_named():
    x, x_proj, dt_weight, dt_bias, A_log, D = random_inputs(1, 2, 2, 4, 3, 2)
    with pytest.raises(ValueError, match=r"x_proj_weight has shape \(4, 7, 4\).*\(4, 8, 4\)"):
        cross_scan(x, x_proj[:, :-1], dt_weight, dt_bias, A_log, D)
    with pytest.raises(ValueError, match="channels last"):
        cross_scan(x[0], x_proj, dt_weight, dt_bias, A_log, D)
    with pytest.raises(ValueError, match="float dtype"):
        cross_scan(x.long(), x_proj, dt_weight, dt_bias, A_log, D)


def test_under_autocast():
    inputs = random_inputs(1, 4, 4, 16, 4, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = cross_scan(*inputs)
    assert (y - cross_scan(*inputs)).norm() / y.norm() < 2e-2


def test_torch_compile_sees_one_graph(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    inputs = random_inputs(1, 4, 3, 16, 4, 2)
    compiled = torch.compile(cross_scan, fullgraph=True, backend="aot_eager")  # a graph break would raise
    wanted = [tensor.clone().requires_grad_() for tensor in inputs]
    given = [tensor.clone().requires_grad_() for tensor in inputs]
    expected, found = cross_scan(*wanted), compiled(*given)
    torch.testing.assert_close(found, expected)
    for leaves, y in ((wanted, expected), (given, found)):
        y.square().sum().backward()
        assert all(tensor.grad is not None for tensor in leaves)
    for a, b in zip(given, wanted, strict=True):
        torch.testing.assert_close(a.grad, b.grad)
