"""What kernels promise. The subject is a KernelSubject; needs vitrail-training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vitrail.testing.registry import check


@dataclass(frozen=True, kw_only=True)
class KernelSubject:
    """op: the function that users call; reference: the same in plain torch; cases: see vitrail_training.kernels."""

    op: Callable[..., Any]
    reference: Callable[..., Any]
    cases: Sequence[Any]
    double: bool = False


@check("kernel")
def check_op_equals_its_reference(subject: KernelSubject) -> None:
    """Values, every gradient, opcheck, gradcheck, strides, odd and empty sizes (vitrail_training.kernels.check_op)."""
    from vitrail_training.kernels import check_op

    check_op(subject.op, subject.reference, subject.cases, double=subject.double)
