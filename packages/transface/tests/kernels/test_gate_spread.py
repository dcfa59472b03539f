"""The op against its definition by check_op, the formula it rests on, and wrong arguments."""

from __future__ import annotations

import pytest
import torch

from vitrail.errors import UsageError
from vitrail_training.kernels.check import Case, check_op
from vitrail_transface.kernels import gate_spread as package
from vitrail_transface.kernels.gate_spread import gate_spread
from vitrail_transface.kernels.gate_spread.reference import gate_spread_reference
from vitrail_transface.kernels.gate_spread.sample import random_inputs

CASES = [
    Case("B2-N144-D64", random_inputs(2, 144, 64)),
    Case("odd-B1-N7-D33", random_inputs(1, 7, 33)),
    Case("narrowest-B2-N3-D2", random_inputs(2, 3, 2)),
    Case("no-faces", random_inputs(0, 144, 8)),
    Case("no-tokens", random_inputs(2, 0, 8)),
]


def by_torch(tokens, gate):
    """As anyone would write it, without the rule for negative gates and flat tokens."""
    gated = tokens * gate[..., None]
    return gated, gated.std(dim=-1)


@pytest.mark.parametrize("definition", [gate_spread_reference, by_torch])
def test_op(definition):
    check_op(gate_spread, definition, CASES, double=True)


def test_in_bfloat16():
    tokens, gate = random_inputs(2, 9, 40, dtype=torch.bfloat16)
    gated, spread = gate_spread(tokens, gate)
    assert (gated.dtype, spread.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(spread, by_torch(tokens.float(), gate.float())[1])


def test_negative_gates_and_flat_tokens():
    tokens = torch.randn(1, 4, 6, dtype=torch.float64)
    tokens[0, 1] = 0.1  # whose mean is not 0.1 exactly in every precision
    tokens[0, 2] = 3.0
    gate = torch.tensor([[-0.7, 0.5, 0.9, 0.0]], dtype=torch.float64)
    tokens.requires_grad_()
    gate.requires_grad_()
    gated, spread = gate_spread(tokens, gate)
    torch.testing.assert_close(spread, gated.std(dim=-1))
    spread.sum().backward()
    assert torch.isfinite(tokens.grad).all()
    assert not tokens.grad[0, 2].any()
    assert torch.isfinite(gate.grad).all()
    assert gate.grad[0, 0] < 0 < gate.grad[0, 1] + 1
    assert gate.grad[0, 2] == 0


def test_a_gradient_may_reach_one_output_only():
    for index in (0, 1):
        tokens, gate = (x.requires_grad_() for x in random_inputs(1, 3, 5))
        again = [x.detach().clone().requires_grad_() for x in (tokens, gate)]
        gate_spread(tokens, gate)[index].square().sum().backward()
        by_torch(*again)[index].square().sum().backward()
        torch.testing.assert_close(tokens.grad, again[0].grad)
        torch.testing.assert_close(gate.grad, again[1].grad)


def test_torch_compile_sees_one_graph():
    compiled = torch.compile(gate_spread, fullgraph=True, backend="aot_eager")
    inputs = [x.requires_grad_() for x in random_inputs(1, 5, 7)]
    for mine, wanted in zip(compiled(*inputs), gate_spread(*inputs), strict=True):
        torch.testing.assert_close(mine, wanted)


def test_choice(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    inputs = random_inputs(1, 2, 4)
    assert package.pick(inputs[0]) == "reference"
    with pytest.raises(UsageError, match=r"backend=triton was asked for.*needs a CUDA device"):
        gate_spread(*inputs, backend="triton")
    monkeypatch.setenv("VITRAIL_KERNELS", "cpu")
    with pytest.raises(UsageError, match="offers auto, reference, triton"):
        gate_spread(*inputs)


def test_wrong_arguments_are_named():
    tokens, gate = random_inputs(2, 3, 4)
    with pytest.raises(ValueError, match=r"gate has shape \(2, 2\).*\(2, 3\)"):
        gate_spread(tokens, gate[:, :2])
    with pytest.raises(ValueError, match="D at least 2"):
        gate_spread(tokens[..., :1], gate)
    with pytest.raises(ValueError, match="float dtype"):
        gate_spread(tokens.long(), gate)
