"""The Triton kernels on a device."""

from __future__ import annotations

import pytest
import torch

from vitrail_cmunet.kernels.selective_scan import backends, cross_scan, doctor
from vitrail_cmunet.kernels.selective_scan.reference import cross_scan_reference
from vitrail_cmunet.kernels.selective_scan.sample import STAGES, random_inputs
from vitrail_training.kernels.check import Case, check_op, error_ratio

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]


def by_definition(x, x_proj_weight, dt_projs_weight, dt_projs_bias, A_logs, Ds):
    projected = torch.nn.functional.linear(x, x_proj_weight.flatten(0, 1))
    return cross_scan_reference(x, projected, dt_projs_weight, dt_projs_bias, A_logs, Ds)[0]


def by_triton(x, x_proj_weight, dt_projs_weight, dt_projs_bias, A_logs, Ds):
    return cross_scan(x, x_proj_weight, dt_projs_weight, dt_projs_bias, A_logs, Ds, backend="triton")


@pytest.fixture(autouse=True)
def exact_products():
    """The projection is torch's product: keep TF32 out of the comparison."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


def both(inputs):
    """Output and gradients of our kernels and of the CPU loops, which test_op.py holds to the reference."""
    found = []
    for backend, device in (("triton", "cuda"), ("cpu", "cpu")):
        leaves = [tensor.detach().to(device).requires_grad_() for tensor in inputs]
        y = cross_scan(*leaves, backend=backend)
        y.backward(torch.cos(torch.arange(y.numel(), device=device)).view(y.shape).to(y.dtype))
        found.append([y.detach(), *(leaf.grad for leaf in leaves)])
    return zip(*found)


def test_is_the_choice_on_a_gpu(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    assert backends.pick(torch.zeros(1, device="cuda")) == "triton"
    assert backends.pick(torch.zeros(1, device="cuda", dtype=torch.float64)) == "reference"
    assert all(line.level == "ok" for line in doctor())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_op(dtype):
    cases = [
        Case("stage-B2-H8-W12-d16-N16-R2", random_inputs(2, 8, 12, 16, 16, 2, dtype=dtype, device="cuda")),
        Case("odd-B1-H13-W11-d5-N3-R3", random_inputs(1, 13, 11, 5, 3, 3, dtype=dtype, device="cuda")),
        Case("blocks-B1-H7-W9-d40-N16-R4", random_inputs(1, 7, 9, 40, 16, 4, dtype=dtype, device="cuda")),
        Case("tiny", random_inputs(1, 2, 3, 2, 2, 1, dtype=dtype, device="cuda")),
        Case("no-images", random_inputs(0, 3, 5, 5, 3, 3, dtype=dtype, device="cuda")),
    ]
    check_op(by_triton, by_definition, cases)


@pytest.mark.parametrize("stage", STAGES, ids=lambda s: f"d{s.d}-R{s.rank}")
@pytest.mark.parametrize("side", [1024, 1000], ids=["H1024", "H1000-W992"])
def test_stages_of_a_large_image(stage, side):
    height, width = side // stage.stride, (side - side % 32) // stage.stride
    for mine, wanted in both(random_inputs(1, height, width, stage.d, stage.states_n, stage.rank)):
        assert error_ratio(mine, wanted) < 1e-4


def test_bfloat16_stays_near_float32():
    inputs = random_inputs(1, 64, 64, 16, 16, 2, dtype=torch.bfloat16, device="cuda")
    y = by_triton(*inputs)
    assert error_ratio(y, by_triton(*(tensor.float() for tensor in inputs))) < 2e-2


def test_the_same_bits_from_run_to_run():
    inputs = [tensor.requires_grad_() for tensor in random_inputs(2, 64, 60, 32, 16, 4, device="cuda")]

    def run():
        y = by_triton(*inputs)
        return [y.detach(), *torch.autograd.grad(y.square().sum(), inputs)]

    first = run()
    for _ in range(5):
        assert all(torch.equal(one, again) for one, again in zip(first, run()))


def test_chunks_of_inference_equal_those_of_training():
    inputs = random_inputs(1, 128, 128, 16, 16, 2, device="cuda")
    with torch.no_grad():
        assert error_ratio(by_triton(*inputs), cross_scan(*inputs, backend="triton", chunk=16)) < 1e-5


def test_no_state_is_stored_for_every_step():
    """Peak memory of forward and backward stays below a quarter of one float32 state for every step."""
    x, *parameters = (
        tensor.requires_grad_() for tensor in random_inputs(1, 256, 256, 16, 16, 2, device="cuda")
    )
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    by_triton(x, *parameters).sum().backward()
    used = torch.cuda.max_memory_allocated() - before
    assert used < 256 * 256 * 4 * 16 * 16 * 4 * 0.75


def test_runs_on_the_device_of_the_input():
    if torch.cuda.device_count() < 2:
        pytest.skip("one device only")
    inputs = random_inputs(1, 8, 8, 16, 16, 2, device="cuda:1")
    assert by_triton(*inputs).device == inputs[0].device
