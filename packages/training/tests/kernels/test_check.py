"""check_op accepts a right op and catches each kind of wrong one, naming the case and the argument."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vitrail_training.kernels.check import Case, check_op, error_ratio


def reference(x: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(x * weight)


def cases() -> list[Case]:
    generator = torch.Generator().manual_seed(0)

    def inputs(*shape: int) -> tuple[Tensor, Tensor]:
        return torch.randn(shape, generator=generator), torch.randn(shape[-1], generator=generator)

    return [Case("even", inputs(4, 8)), Case("odd", inputs(3, 5)), Case("empty", inputs(0, 5))]


def make(name: str, *, forward=None, backward=None, fake: bool = True):
    """An op for `reference`, with a part replaced by a wrong one."""
    qualified = f"vitrail_test::{name}"
    forward = forward or (lambda x, weight: torch.tanh(x * weight))
    backward = backward or (lambda dy, x, weight: (dy * weight, (dy * x).reshape(-1, x.shape[-1]).sum(0)))

    @torch.library.custom_op(qualified, mutates_args=(), schema="(Tensor x, Tensor weight) -> Tensor")
    def op(x, weight):
        return forward(x, weight)

    if fake:
        op.register_fake(lambda x, weight: torch.empty(x.shape, dtype=x.dtype, device=x.device))

    def context(ctx, inputs, output):
        ctx.save_for_backward(*inputs, output)

    def gradient(ctx, dy):
        x, weight, y = ctx.saved_tensors
        return backward(dy * (1 - y * y), x, weight)

    op.register_autograd(gradient, setup_context=context)

    def call(x: Tensor, weight: Tensor) -> Tensor:
        return op(x, weight)

    call.__name__ = name
    return call


def caught(op, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_op(op, reference, cases())


def test_a_right_op_passes():
    check_op(make("right"), reference, cases(), double=True)


def test_wrong_value():
    caught(
        make("value", forward=lambda x, w: torch.tanh(x * w) * 1.001),
        r"value, case 'even': the output is wrong",
    )


def test_wrong_only_at_odd_sizes():
    def forward(x, weight):
        y = torch.tanh(x * weight)
        if x.shape[-1] % 2:
            y[..., -1] = 0
        return y

    caught(make("edge", forward=forward), r"edge, case 'odd': the output is wrong")


def test_wrong_gradient_of_one_input():
    wrong = make("slope", backward=lambda dy, x, w: (dy * w, (dy * x).mean(0)))
    caught(wrong, r"slope, case 'even': the gradient of weight is wrong")


def test_missing_gradient_of_one_input():
    caught(
        make("none", backward=lambda dy, x, w: (dy * w, None)), r"none, case 'even': no gradient for weight"
    )


def test_input_that_must_be_contiguous():
    def forward(x, weight):  # walks over the storage as if it were contiguous
        return torch.tanh(torch.as_strided(x, x.shape, (x.shape[-1], 1)) * weight)

    caught(make("strides", forward=forward), r"with x non-contiguous: the output is wrong")


def test_incoming_gradient_that_must_be_contiguous():
    def backward(dy, x, weight):
        dy = torch.as_strided(dy, dy.shape, (dy.shape[-1], 1))
        return dy * weight, (dy * x).sum(0)

    op = make("arriving", backward=backward)

    # the product in `gradient` above makes dy contiguous again, so hand it through untouched
    @torch.library.custom_op("vitrail_test::double_it", mutates_args=(), schema="(Tensor x) -> Tensor")
    def double(x):
        return 2 * x

    double.register_fake(torch.empty_like)
    double.register_autograd(lambda ctx, dy: 2 * torch.as_strided(dy, dy.shape, (dy.shape[-1], 1)))

    def chained(x: Tensor, weight: Tensor) -> Tensor:
        return double(op(x, weight))

    with pytest.raises(
        AssertionError, match="with the incoming gradient non-contiguous: the gradient of x is wrong"
    ):
        check_op(chained, lambda x, weight: 2 * reference(x, weight), cases())


def test_fails_on_no_data():
    def forward(x, weight):
        if x.numel() == 0:
            raise RuntimeError("grid of size 0")
        return torch.tanh(x * weight)

    caught(make("nothing", forward=forward), r"nothing, case 'empty' raised RuntimeError: grid of size 0")


def test_missing_fake():
    caught(
        make("unregistered", fake=False), r"case 'odd': opcheck of vitrail_test.unregistered.default failed"
    )


def test_mutated_input():
    def forward(x, weight):
        y = torch.tanh(x * weight)
        x.mul_(1.0 + 1e-3)
        return y

    caught(make("mutates", forward=forward), r"mutates, case ")


def test_not_an_op():
    def plain(x, weight):
        return torch.tanh(x * weight)

    caught(plain, "plain, case 'odd' calls no torch.library op")


def test_nan_never_passes():
    caught(make("nan", forward=lambda x, w: torch.tanh(x * w) * float("nan")), "error ratio inf")


def test_wrong_shape():
    caught(make("shape", forward=lambda x, w: torch.tanh(x * w)[..., :-1].clone()), "the output has shape")


def test_a_gradient_that_is_wrong_in_float64_only():
    def backward(dy, x, weight):
        wrong = 1.1 if x.dtype == torch.float64 else 1.0
        return dy * weight, (dy * x).reshape(-1, x.shape[-1]).sum(0) * wrong

    op = make("precise", backward=backward)
    check_op(op, reference, cases())
    with pytest.raises(AssertionError, match=r"precise, case 'odd': gradcheck failed"):
        check_op(op, reference, cases(), double=True)


def test_cases_must_cover_empty_and_odd():
    even, odd, _ = cases()
    with pytest.raises(AssertionError, match="empty tensor"):
        check_op(make("a"), reference, [even, odd])
    with pytest.raises(AssertionError, match="odd size"):
        check_op(make("b"), reference, [even, Case("empty", (torch.ones(0, 4), torch.ones(4)))])


def test_error_ratio():
    assert error_ratio(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 0.0])) == pytest.approx(4 / 3)
    assert error_ratio(torch.tensor([0.5]), torch.zeros(1)) == 0.5
    assert error_ratio(torch.tensor([float("nan")]), torch.ones(1)) == float("inf")
    assert error_ratio(torch.empty(0), torch.empty(0)) == 0.0
