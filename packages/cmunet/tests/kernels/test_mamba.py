"""The four-copy wrapper around mamba-ssm's kernel, with a stand-in for the kernel: it cannot be built here."""

from __future__ import annotations

import sys
import types

import pytest
import torch
import torch.nn.functional as F

from vitrail_cmunet.kernels.selective_scan import backends, cross_scan
from vitrail_cmunet.kernels.selective_scan.sample import random_inputs
from vitrail_training.kernels.check import error_ratio

MODULE = "vitrail_cmunet.kernels.selective_scan.mamba"


def scan(u, dt, A, B, C, D, bias):
    """selective_scan_cuda's formula in plain torch."""
    delta = F.softplus(dt + bias[:, None])
    rows = u.shape[1] // B.shape[1]
    B, C = B.repeat_interleave(rows, 1), C.repeat_interleave(rows, 1)
    h, y = u.new_zeros(*u.shape[:2], A.shape[1]), []
    for t in range(u.shape[2]):
        h = torch.exp(delta[:, :, t, None] * A) * h + (delta * u)[:, :, t, None] * B[..., t]
        y.append((h * C[..., t]).sum(-1) + D * u[:, :, t])
    return torch.stack(y, -1)


@pytest.fixture
def stand_in(monkeypatch):
    def fwd(u, dt, A, B, C, D, z, bias, softplus):
        assert z is None
        assert softplus
        assert all(tensor.stride(-1) == 1 for tensor in (u, dt, B, C))
        return scan(u, dt, A, B, C, D, bias), u.new_zeros(1)

    def bwd(u, dt, A, B, C, D, z, bias, dy, states, out, dz, softplus, recompute):
        leaves = [tensor.detach().requires_grad_() for tensor in (u, dt, A, B, C, D, bias)]
        with torch.enable_grad():
            return torch.autograd.grad(scan(*leaves), leaves, dy)

    monkeypatch.setitem(sys.modules, "selective_scan_cuda", types.SimpleNamespace(fwd=fwd, bwd=bwd))
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    yield
    sys.modules.pop(MODULE, None)


def test_four_copies_give_the_cross_scan(stand_in, monkeypatch):
    monkeypatch.setattr(backends, "pick", lambda x, request=None: request)
    inputs = [tensor.requires_grad_() for tensor in random_inputs(2, 3, 5, 4, 3, 2)]
    exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    y, wanted = cross_scan(*inputs, backend="mamba"), cross_scan(*exact, backend="reference")
    assert error_ratio(y, wanted) < 1e-5
    dy = torch.randn(y.shape)
    y.backward(dy)
    wanted.backward(dy.double())
    for mine, theirs in zip(inputs, exact):
        assert error_ratio(mine.grad, theirs.grad) < 1e-5


def test_absent_it_says_how_to_get_it():
    if "selective_scan_cuda" in sys.modules:
        pytest.skip("mamba-ssm is installed")
    assert "vitrail-cmunet[mamba]" in backends.import_problem("vitrail_cmunet.kernels.selective_scan.mamba")
