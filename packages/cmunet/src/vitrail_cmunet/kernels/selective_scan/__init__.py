"""Selective scan over an image in four directions, the sequence mixer of CM-UNet's decoder.

>>> y = cross_scan(x, x_proj_weight, dt_projs_weight, dt_projs_bias, A_logs, Ds)

`reference.py` is the definition, `cpu.py` (numba) and `triton.py` are fast, `mamba.py` wraps mamba-ssm's CUDA
kernel. `VITRAIL_KERNELS` chooses; see `vitrail_training.kernels.choose`.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from vitrail_cmunet.kernels.selective_scan import backends
from vitrail_cmunet.kernels.selective_scan.backends import doctor
from vitrail_cmunet.kernels.selective_scan.op import cross_scan_op

__all__ = ["cross_scan", "doctor"]


def cross_scan(
    x: Tensor,
    x_proj_weight: Tensor,
    dt_projs_weight: Tensor,
    dt_projs_bias: Tensor,
    A_logs: Tensor,
    Ds: Tensor,
    *,
    backend: str | None = None,
    chunk: int | None = None,
) -> Tensor:
    """The sum of the selective scans of an image along rows, columns, and both backwards.

    Args:
        x: (B, H, W, d), any float dtype; channels last.
        x_proj_weight: (4, R + 2 N, d), for each direction the rows of dt (R), B (N) and C (N).
        dt_projs_weight: (4, d, R).
        dt_projs_bias: (4, d), added before the softplus.
        A_logs: (4 d, N), the logarithms of -A.
        Ds: (4 d,), the skip weights.
        backend: overrides `VITRAIL_KERNELS`.
        chunk: steps between two saved states; by default what suits the backend.

    Returns:
        y (B, H, W, d) in x's dtype; state and sums are float32 (float64 for float64 x).

    Raises:
        UsageError: a backend was asked for that is unknown or cannot run here.
        ValueError: shapes that do not fit together.

    Source: CM-UNet, arXiv 2405.10530, and the SS2D of VMamba, arXiv 2401.10166. All six inputs have gradients.
    """
    _check_shapes(x, x_proj_weight, dt_projs_weight, dt_projs_bias, A_logs, Ds)
    # The projection is pointwise, so it commutes with every route: one product in natural pixel order.
    projected = F.linear(x, x_proj_weight.flatten(0, 1).to(x.dtype))
    name = backends.pick(x, backend)
    if name == "mamba":
        from vitrail_cmunet.kernels.selective_scan import mamba

        return mamba.cross_scan(x, projected, dt_projs_weight, dt_projs_bias, A_logs, Ds)
    if chunk is None:
        chunk = backends.chunk_length(name, x.shape[1] * x.shape[2])
    y, _ = cross_scan_op(x, projected, dt_projs_weight, dt_projs_bias, A_logs, Ds, chunk, name)
    return y


def _check_shapes(
    x: Tensor, x_proj: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_logs: Tensor, Ds: Tensor
) -> None:
    d, rank, state = x.shape[-1], dt_weight.shape[-1], A_logs.shape[-1]
    wanted = {
        "x": (x, (*x.shape[:3], d)),
        "x_proj_weight": (x_proj, (4, rank + 2 * state, d)),
        "dt_projs_weight": (dt_weight, (4, d, rank)),
        "dt_projs_bias": (dt_bias, (4, d)),
        "A_logs": (A_logs, (4 * d, state)),
        "Ds": (Ds, (4 * d,)),
    }
    if x.dim() != 4:
        raise ValueError(f"x must be (B, H, W, d), channels last; it has shape {tuple(x.shape)}.")
    for name, (tensor, shape) in wanted.items():
        if tuple(tensor.shape) != tuple(shape):
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}; with these inputs it must be {tuple(shape)}."
            )
    if not x.dtype.is_floating_point:
        raise ValueError(f"x must be of a float dtype; it is {x.dtype}.")
