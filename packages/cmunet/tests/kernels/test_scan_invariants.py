"""What must hold of the cross-scan whatever its implementation: symmetries, closed forms, limits.

Each test runs on the definition in float64 and on the compiled CPU loops in float32.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vitrail_cmunet.kernels.selective_scan import cross_scan
from vitrail_cmunet.kernels.selective_scan.op import cross_scan_op
from vitrail_cmunet.kernels.selective_scan.reference import cross_scan_reference, routes
from vitrail_cmunet.kernels.selective_scan.sample import random_inputs
from vitrail_training.kernels.check import error_ratio

KINDS = {"reference": (torch.float64, 1e-12), "cpu": (torch.float32, 1e-5)}


@pytest.fixture(params=list(KINDS))
def kind(request) -> tuple[str, torch.dtype, float]:
    return request.param, *KINDS[request.param]


def project(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The inputs of the op: x, its projection, and the parameters."""
    x, x_proj, *parameters = inputs
    return x, F.linear(x, x_proj.flatten(0, 1)), *parameters


def alone(inputs: tuple[Tensor, ...], direction: int, states_n: int) -> tuple[Tensor, ...]:
    """The inputs with the output of every other direction switched off (C = 0, D = 0)."""
    x, x_proj, dt_weight, dt_bias, A_log, D = (tensor.clone() for tensor in inputs)
    others = [k for k in range(4) if k != direction]
    x_proj[others, -states_n:] = 0
    D.view(4, -1)[others] = 0
    return x, x_proj, dt_weight, dt_bias, A_log, D


def permuted(inputs: tuple[Tensor, ...], order: list[int]) -> tuple[Tensor, ...]:
    """The parameters of the directions in another order."""
    x, x_proj, dt_weight, dt_bias, A_log, D = inputs
    d = x.shape[-1]
    A_log = A_log.view(4, d, -1)[order].reshape(A_log.shape)
    return x, x_proj[order], dt_weight[order], dt_bias[order], A_log, D.view(4, d)[order].flatten()


def fixed_step(inputs: tuple[Tensor, ...], delta: float, rate: float) -> tuple[Tensor, ...]:
    """The same delta at every pixel and A = -rate; rate 0 is taken as exp(-200)."""
    x, x_proj, dt_weight, dt_bias, A_log, D = inputs
    log_rate = -200.0 if rate == 0 else math.log(rate)
    return (
        x,
        x_proj,
        torch.zeros_like(dt_weight),
        torch.full_like(dt_bias, math.log(math.expm1(delta))),
        torch.full_like(A_log, log_rate),
        D,
    )


@pytest.mark.parametrize("chunk", [1, 4, 7, 64, 1000])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 1), (1, 9), (8, 11)], ids=str)
def test_chunks_do_not_matter(kind, size, chunk):
    backend, dtype, tolerance = kind
    inputs = project(random_inputs(2, *size, 5, 3, 2, dtype=dtype))
    y, states = cross_scan_op(*inputs, chunk, backend)
    wanted, every_state = cross_scan_reference(*(tensor.double() for tensor in inputs), 1)
    assert error_ratio(y, wanted) < tolerance
    assert states.shape == (2, 4, -(-size[0] * size[1] // chunk), 3, 5)
    assert error_ratio(states, every_state[:, :, ::chunk]) < tolerance


def test_a_scan_can_be_cut_and_continued():
    """Rows 0..2 then rows 3..4 from the state in between is the row scan of the whole image."""
    inputs = alone(random_inputs(1, 5, 4, 3, 3, 2, dtype=torch.float64), 0, 3)
    x, projected, *parameters = project(inputs)
    whole, states = cross_scan_reference(x, projected, *parameters, chunk=12)
    first, _ = cross_scan_reference(x[:, :3], projected[:, :3], *parameters)
    rest, _ = cross_scan_reference(x[:, 3:], projected[:, 3:], *parameters, entry=states[:, :, 1])
    torch.testing.assert_close(torch.cat([first, rest], dim=1), whole, rtol=1e-12, atol=1e-12)


def test_routes():
    assert routes(2, 3).tolist() == [
        [0, 1, 2, 3, 4, 5],
        [0, 3, 1, 4, 2, 5],
        [5, 4, 3, 2, 1, 0],
        [5, 2, 4, 1, 3, 0],
    ]


@pytest.mark.parametrize("direction", [0, 1])
def test_the_reverse_direction_is_the_direction_on_the_reversed_image(kind, direction):
    backend, dtype, tolerance = kind
    inputs = random_inputs(1, 4, 7, 4, 3, 2, dtype=dtype)
    ahead = cross_scan(*alone(inputs, direction, 3), backend=backend)
    swapped = permuted(inputs, [2, 3, 0, 1])
    x, *parameters = alone(swapped, direction + 2, 3)
    back = cross_scan(x.flip(1, 2), *parameters, backend=backend).flip(1, 2)
    assert error_ratio(back, ahead) < tolerance


def test_half_turn_swaps_each_direction_with_its_reverse(kind):
    backend, dtype, tolerance = kind
    inputs = random_inputs(2, 5, 8, 6, 4, 2, dtype=dtype)
    y = cross_scan(*inputs, backend=backend)
    x, *parameters = permuted(inputs, [2, 3, 0, 1])
    turned = cross_scan(x.flip(1, 2), *parameters, backend=backend).flip(1, 2)
    assert error_ratio(turned, y) < tolerance
    assert error_ratio(cross_scan(x.flip(1, 2), *inputs[1:], backend=backend).flip(1, 2), y) > 0.01


def test_transpose_swaps_rows_and_columns(kind):
    backend, dtype, tolerance = kind
    inputs = random_inputs(2, 5, 8, 6, 4, 2, dtype=dtype)
    y = cross_scan(*inputs, backend=backend)
    x, *parameters = permuted(inputs, [1, 0, 3, 2])
    transposed = cross_scan(x.transpose(1, 2), *parameters, backend=backend).transpose(1, 2)
    assert error_ratio(transposed, y) < tolerance
    assert error_ratio(cross_scan(x.transpose(1, 2), *inputs[1:], backend=backend).transpose(1, 2), y) > 0.01


def test_without_steps_only_the_skip_remains(kind):
    backend, dtype, tolerance = kind
    x, x_proj, dt_weight, dt_bias, A_log, D = random_inputs(1, 6, 5, 4, 3, 2, dtype=dtype)
    y = cross_scan(x, x_proj, 0 * dt_weight, torch.full_like(dt_bias, -50.0), A_log, D, backend=backend)
    assert error_ratio(y, D.view(4, 4).sum(0) * x) < tolerance


def test_without_decay_the_state_is_a_running_sum(kind):
    backend, dtype, tolerance = kind
    inputs = alone(fixed_step(random_inputs(1, 6, 5, 4, 3, 2, dtype=dtype), 0.25, 0.0), 0, 3)
    x, projected, *_, D = project(inputs)
    B, C = projected.flatten(1, 2)[0, :, 2:8].split(3, dim=-1)
    u = x.flatten(1, 2)[0]
    states = torch.cumsum(0.25 * u[:, None, :] * B[:, :, None], dim=0)
    wanted = (states * C[:, :, None]).sum(1) + D.view(4, -1)[0] * u
    assert error_ratio(cross_scan(*inputs, backend=backend).flatten(0, 2), wanted) < tolerance


def test_a_constant_image_gives_a_geometric_series(kind):
    backend, dtype, tolerance = kind
    x, *parameters = fixed_step(random_inputs(1, 4, 6, 4, 3, 2, dtype=dtype), 0.3, 0.7)
    inputs = alone((torch.ones_like(x), *parameters), 1, 3)
    x, projected, *_, D = project(inputs)
    B, C = projected[0, 0, 0].view(4, 8)[1, 2:].split(3)
    a = torch.exp(torch.tensor(-0.3 * 0.7, dtype=torch.float64))
    steps = torch.arange(1, 25, dtype=torch.float64).view(6, 4).T  # column by column
    wanted = 0.3 * (B @ C) * (1 - a**steps) / (1 - a)
    wanted = wanted[..., None] + D.view(4, -1)[1]
    assert error_ratio(cross_scan(*inputs, backend=backend)[0], wanted) < tolerance


def test_linear_in_x_once_the_steps_are_fixed(kind):
    backend, dtype, tolerance = kind
    x, projected, *parameters = project(random_inputs(1, 5, 7, 4, 3, 2, dtype=dtype))
    other = torch.randn_like(x)

    def scan(image):
        return cross_scan_op(image, projected, *parameters, 8, backend)[0]

    assert error_ratio(scan(2 * x - 3 * other), 2 * scan(x) - 3 * scan(other)) < tolerance


def test_images_of_a_batch_do_not_touch(kind):
    backend, dtype, _ = kind
    x, *parameters = random_inputs(3, 5, 4, 4, 3, 2, dtype=dtype)
    together = cross_scan(x, *parameters, backend=backend)
    for b in range(3):
        assert error_ratio(cross_scan(x[b : b + 1], *parameters, backend=backend), together[b : b + 1]) < 1e-6


def test_channels_may_be_permuted(kind):
    """B, C and dt are shared by all channels, so an order of channels is only a name."""
    backend, dtype, tolerance = kind
    x, x_proj, dt_weight, dt_bias, A_log, D = random_inputs(1, 5, 4, 20, 3, 2, dtype=dtype)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    y = cross_scan(x, x_proj, dt_weight, dt_bias, A_log, D, backend=backend)
    again = cross_scan(
        x[..., order],
        x_proj[..., order],
        dt_weight[:, order],
        dt_bias[:, order],
        A_log.view(4, 20, 3)[:, order].flatten(0, 1),
        D.view(4, 20)[:, order].flatten(),
        backend=backend,
    )
    assert error_ratio(again, y[..., order]) < tolerance


def test_gradients_in_float64():
    inputs = [tensor.requires_grad_() for tensor in random_inputs(1, 3, 3, 2, 3, 2, dtype=torch.float64)]
    for chunk in (1, 4, 64):
        assert torch.autograd.gradcheck(lambda *a: cross_scan(*a, backend="reference", chunk=chunk), inputs)  # noqa: B023
    x, projected, *parameters = (tensor.detach().requires_grad_() for tensor in project(tuple(inputs)))
    assert torch.autograd.gradcheck(
        lambda *a: cross_scan_op(*a, 4, "reference")[0], [x, projected, *parameters], fast_mode=True
    )


def test_large_steps_and_the_longest_sequence_stay_finite():
    """delta about 30 and L = 65536, forward and backward."""
    x, x_proj, dt_weight, dt_bias, A_log, D = random_inputs(1, 256, 256, 16, 16, 2)
    inputs = [x, x_proj, dt_weight, torch.full_like(dt_bias, 30.0), A_log, D]
    inputs = [tensor.requires_grad_() for tensor in inputs]
    y = cross_scan(*inputs, backend="cpu")
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert all(torch.isfinite(tensor.grad).all() for tensor in inputs)


def test_the_longest_memory_keeps_its_size():
    """65536 steps that should neither grow nor shrink the state: rounding must not add up to more than 1e-3."""
    x, *parameters = fixed_step(random_inputs(1, 256, 256, 16, 1, 1), 1.0, 0.0)
    impulse = torch.zeros_like(x)
    impulse[0, 0, 0] = 1.0
    projected = torch.ones(1, 256, 256, 12)
    y, _ = cross_scan_op(impulse, projected, *parameters[1:-1], torch.zeros(64), 64, "cpu")
    last = y[0, -1, -1]  # reached by the first two directions after 65535 steps
    torch.testing.assert_close(last, torch.full_like(last, 2.0), rtol=1e-3, atol=0)


def test_bfloat16_images_stay_near_float32():
    inputs = random_inputs(1, 16, 16, 16, 16, 2)
    half = [tensor.bfloat16().requires_grad_() for tensor in inputs[:2]]
    y = cross_scan(*half, *inputs[2:], backend="cpu")
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert half[0].grad.dtype == torch.bfloat16
    assert error_ratio(y, cross_scan(*inputs, backend="cpu")) < 2e-2


def test_a_nan_in_the_image_is_not_hidden():
    x, *parameters = random_inputs(1, 4, 4, 16, 3, 2)
    x[0, 0, 0, 3] = float("nan")
    assert torch.isnan(cross_scan(x, *parameters, backend="cpu")[..., 3]).all()
