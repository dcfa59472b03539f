"""`check_op`: everything that must hold between a kernel and its reference.

The reference is run in float64 on the same numbers, and results are compared by the error ratio
|actual - expected| / |expected| (Frobenius norms), which a NaN never passes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

TOLERANCE: Mapping[torch.dtype, float] = {
    torch.float64: 1e-9,
    torch.float32: 1e-4,
    torch.float16: 5e-3,
    torch.bfloat16: 2e-2,
}


@dataclass(frozen=True)
class Case:
    """One call: positional inputs, tensors (any device and float dtype) and plain values."""

    name: str
    inputs: tuple[Any, ...]


def error_ratio(actual: Tensor, expected: Tensor) -> float:
    """|actual - expected| / |expected|; the plain norm of `actual` where nothing but zeros is expected."""
    actual, expected = actual.detach().double().cpu(), expected.detach().double().cpu()
    if actual.numel() == 0:
        return 0.0
    size = expected.norm().item()
    ratio = (actual - expected).norm().item() / (size if size > 0 else 1.0)
    return ratio if ratio == ratio else float("inf")


def check_op(
    op: Callable[..., Any],
    reference: Callable[..., Any],
    cases: Sequence[Case],
    *,
    tolerance: Mapping[torch.dtype, float] = TOLERANCE,
    double: bool = False,
    seed: int = 0,
) -> None:
    """Hold `op` against `reference` (same arguments, plain torch) on `cases`; AssertionError names what differs.

    For every case: shapes, dtypes, values, the gradient of every float input, the same with each input and the
    incoming gradient non-contiguous. For the smallest case that is not empty: `torch.library.opcheck` on every
    custom op that `op` calls, forward and backward, and float64 gradcheck of the reference (of `op` too with
    `double=True`, where it computes in float64). At least one case must be empty (a tensor without elements) and
    one of odd sizes, for these are what a kernel gets wrong.
    """
    _demand_range(cases)
    generator = torch.Generator().manual_seed(seed)
    names = _argument_names(op, cases[0])
    for case in cases:
        _check_numbers(op, reference, case, names, tolerance, generator)
        _check_layouts(op, case, names, tolerance, generator)
    smallest = min(
        (case for case in cases if not _is_empty(case)),
        key=lambda case: sum(t.numel() for t in _tensors(case.inputs)),
    )
    _opcheck(op, smallest)
    for function in (reference, op) if double else (reference,):
        _gradcheck(function, smallest)


def _demand_range(cases: Sequence[Case]) -> None:
    if not any(_is_empty(case) for case in cases):
        raise AssertionError("check_op needs a case with an empty tensor: a kernel must not fail on no data.")
    odd = (
        size > 1 and size % 2 for case in cases for tensor in _tensors(case.inputs) for size in tensor.shape
    )
    if not any(odd):
        raise AssertionError(
            "check_op needs a case with an odd size: kernels are wrong at the edge of a block first."
        )


def _check_numbers(op, reference, case, names, tolerance, generator) -> None:
    label = f"{_name(op)}, case {case.name!r}"
    inputs = _fresh(case.inputs)
    outputs = _outputs(op, inputs, label)
    exact_inputs = _fresh(case.inputs, torch.float64)
    exact = _outputs(reference, exact_inputs, f"the reference of {label}")
    if len(outputs) != len(exact):
        raise AssertionError(f"{label}: {len(outputs)} outputs; the reference has {len(exact)}.")
    for i, (output, wanted) in enumerate(zip(outputs, exact)):
        what = f"{label}: output {i}" if len(outputs) > 1 else f"{label}: the output"
        if output.shape != wanted.shape:
            raise AssertionError(
                f"{what} has shape {tuple(output.shape)}; the reference gives {tuple(wanted.shape)}."
            )
        _compare(output, wanted, tolerance[output.dtype], what)
    gradients = [torch.randn(wanted.shape, generator=generator, dtype=torch.float64) for wanted in exact]
    actual = _gradients(outputs, inputs, gradients, label)
    expected = _gradients(exact, exact_inputs, gradients, label)
    for name, value, gradient, wanted in zip(names, inputs, actual, expected):
        if wanted is None:
            continue
        if gradient is None:
            raise AssertionError(f"{label}: no gradient for {name}.")
        if gradient.shape != value.shape or gradient.dtype != value.dtype:
            raise AssertionError(
                f"{label}: the gradient of {name} is {tuple(gradient.shape)} {gradient.dtype}; "
                f"the input is {tuple(value.shape)} {value.dtype}."
            )
        _compare(gradient, wanted, tolerance[value.dtype], f"{label}: the gradient of {name}")


def _check_layouts(op, case, names, tolerance, generator) -> None:
    """Each float input in turn, then the incoming gradient, with strides; against the contiguous call."""
    label = f"{_name(op)}, case {case.name!r}"
    inputs = _fresh(case.inputs)
    outputs = _outputs(op, inputs, label)
    gradients = [torch.randn(output.shape, generator=generator).to(output) for output in outputs]
    expected = _gradients(outputs, inputs, gradients, label)
    for i, name in [*enumerate(names), (None, "the incoming gradient")]:
        if i is not None and not (isinstance(case.inputs[i], Tensor) and case.inputs[i].dim() > 0):
            continue
        what = f"{label}, with {name} non-contiguous"
        strided = [
            _strided(value).requires_grad_(value.requires_grad) if j == i else value
            for j, value in enumerate(_fresh(case.inputs))
        ]
        again = _outputs(op, strided, what)
        for output, wanted in zip(again, outputs):
            _compare(output, wanted, tolerance[wanted.dtype], f"{what}: the output")
        arriving = [_strided(gradient) if i is None else gradient for gradient in gradients]
        for other, value, wanted in zip(names, _gradients(again, strided, arriving, what), expected):
            if wanted is not None:
                _compare(value, wanted, tolerance[wanted.dtype], f"{what}: the gradient of {other}")


def _compare(actual: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    ratio = error_ratio(actual, expected)
    if not ratio <= tolerance:
        raise AssertionError(f"{what} is wrong: error ratio {ratio:.2e}, at most {tolerance:.0e} is allowed.")


class _CustomOps(TorchDispatchMode):
    """Records the calls of ops that belong neither to torch nor to its compiler."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple, dict]] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.namespace not in ("aten", "prims", "prim", "inductor", "profiler"):
            self.calls.append((function, args, kwargs or {}))
        return function(*args, **(kwargs or {}))


def _opcheck(op, case: Case) -> None:
    label = f"{_name(op)}, case {case.name!r}"
    with _CustomOps() as forward:
        outputs = _outputs(op, _fresh(case.inputs), label)
    with _CustomOps() as backward:
        torch.autograd.backward(
            [o for o in outputs if o.requires_grad], [torch.ones_like(o) for o in outputs if o.requires_grad]
        )
    if not forward.calls:
        raise AssertionError(f"{label} calls no torch.library op: torch.compile and export cannot see it.")
    seen = set()
    for differentiable, (function, args, kwargs) in [(True, c) for c in forward.calls] + [
        (False, c) for c in backward.calls
    ]:
        if function in seen:
            continue
        seen.add(function)
        args = tuple(
            arg.detach().clone().requires_grad_(differentiable and arg.is_floating_point())
            if isinstance(arg, Tensor)
            else arg
            for arg in args
        )
        try:
            torch.library.opcheck(function, args, kwargs)
        except Exception as error:
            raise AssertionError(f"{label}: opcheck of {function} failed: {error}") from error


def _gradcheck(function, case: Case) -> None:
    inputs = _fresh(case.inputs, torch.float64)
    try:
        torch.autograd.gradcheck(function, inputs)
    except Exception as error:
        raise AssertionError(f"{_name(function)}, case {case.name!r}: gradcheck failed: {error}") from error


def _outputs(function, inputs, label: str) -> list[Tensor]:
    try:
        result = function(*inputs)
    except Exception as error:
        raise AssertionError(f"{label} raised {type(error).__name__}: {error}") from error
    return [result] if isinstance(result, Tensor) else list(result)


def _gradients(outputs, inputs, arriving, label: str) -> list[Tensor | None]:
    """The gradient of each input, None for what is not a float tensor."""
    leaves = [value for value in inputs if isinstance(value, Tensor) and value.requires_grad]
    pairs = [(o, a.to(o)) for o, a in zip(outputs, arriving) if o.requires_grad]
    if not pairs:
        found = [None] * len(leaves)
    else:
        try:
            found = torch.autograd.grad(
                [o for o, _ in pairs], leaves, [a for _, a in pairs], allow_unused=True
            )
        except Exception as error:
            raise AssertionError(f"{label}: the backward raised {type(error).__name__}: {error}") from error
    remaining = iter(found)
    return [
        next(remaining) if isinstance(value, Tensor) and value.requires_grad else None for value in inputs
    ]


def _fresh(inputs: Sequence[Any], dtype: torch.dtype | None = None) -> list[Any]:
    """New contiguous leaves of the same numbers; float tensors require gradients."""

    def leaf(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if not value.is_floating_point():
            return value.clone()
        return (
            value.detach()
            .to(dtype or value.dtype)
            .clone(memory_format=torch.contiguous_format)
            .requires_grad_()
        )

    return [leaf(value) for value in inputs]


def _strided(tensor: Tensor) -> Tensor:
    """The same values as every second element of a larger tensor that is otherwise NaN, dimensions reversed."""
    tensor = tensor.detach()
    reverse = tuple(reversed(range(tensor.dim())))
    spare = torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else torch.zeros_like(tensor)
    return (
        torch.stack([tensor, spare], dim=-1)
        .permute(*(i for i in reverse), tensor.dim())
        .contiguous()[..., 0]
        .permute(reverse)
    )


def _tensors(inputs: Sequence[Any]) -> list[Tensor]:
    return [value for value in inputs if isinstance(value, Tensor)]


def _is_empty(case: Case) -> bool:
    return any(tensor.numel() == 0 for tensor in _tensors(case.inputs))


def _name(function: Callable[..., Any]) -> str:
    return (
        getattr(function, "__name__", None) or getattr(function, "_qualname", None) or type(function).__name__
    )


def _argument_names(op: Callable[..., Any], case: Case) -> list[str]:
    try:
        names = list(inspect.signature(op).parameters)
    except (TypeError, ValueError):
        names = []
    return [
        names[i] if i < len(names) and names[i] != "args" else f"argument {i}"
        for i in range(len(case.inputs))
    ]
