"""Cross-scan around mamba-ssm's CUDA kernel `selective_scan_cuda`, the way upstream does it: four copies of the image.

Optional (`pip install vitrail-cmunet[mamba]`, which compiles for a long time) and used only where it is asked for:
`VITRAIL_KERNELS=mamba`, or `backend="mamba"`. It is also the rival of `benchmarks/scan_gpu.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail_cmunet.kernels.selective_scan.reference import DIRECTIONS

try:
    import selective_scan_cuda
except (ImportError, OSError) as error:  # OSError: built against another CUDA or torch
    raise ImportError(
        f"mamba-ssm's selective_scan_cuda cannot be loaded ({error}); install vitrail-cmunet[mamba]"
    ) from error


class _SelectiveScan(torch.autograd.Function):
    """u, dt (B, 4 d, L); A (4 d, N); B, C (B, 4, N, L); D, bias (4 d,) -> y (B, 4 d, L); softplus in the kernel."""

    @staticmethod
    def forward(ctx, u, dt, A, B, C, D, bias):
        y, states, *_ = selective_scan_cuda.fwd(u, dt, A, B, C, D, None, bias, True)
        ctx.save_for_backward(u, dt, A, B, C, D, bias, states)
        return y

    @staticmethod
    def backward(ctx, dy):
        u, dt, A, B, C, D, bias, states = ctx.saved_tensors
        du, ddt, dA, dB, dC, dD, dbias, *_ = selective_scan_cuda.bwd(
            u, dt, A, B, C, D, None, bias, dy.contiguous(), states, None, None, True, False
        )
        return du, ddt, dA, dB, dC, dD, dbias


def cross_scan(
    x: Tensor, projected: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor, D: Tensor
) -> Tensor:
    """As reference.cross_scan_reference, in float32; gradients by autograd around the kernel."""
    batch, height, width, d = x.shape
    rank, states_n, length = dt_weight.shape[-1], A_log.shape[-1], height * width
    u = _four_routes(x.float().permute(0, 3, 1, 2).unsqueeze(1).expand(-1, DIRECTIONS, -1, -1, -1))
    features = projected.float().unflatten(-1, (DIRECTIONS, rank + 2 * states_n))
    dt, B, C = _four_routes(features.permute(0, 3, 4, 1, 2)).split([rank, states_n, states_n], dim=2)
    dt = torch.einsum("bkrl,kdr->bkdl", dt, dt_weight.float())
    y = _SelectiveScan.apply(
        u.reshape(batch, -1, length),
        dt.reshape(batch, -1, length).contiguous(),
        -torch.exp(A_log.float()),
        B.contiguous(),
        C.contiguous(),
        D.float(),
        dt_bias.float().flatten(),
    )
    y = y.view(batch, DIRECTIONS, d, length)
    rows = y[:, 0] + y[:, 2].flip(-1)
    columns = (y[:, 1] + y[:, 3].flip(-1)).view(batch, d, width, height).transpose(2, 3).flatten(2)
    return (rows + columns).view(batch, d, height, width).permute(0, 2, 3, 1).to(x.dtype)


def _four_routes(images: Tensor) -> Tensor:
    """(B, 4, C, H, W), one image for each direction -> (B, 4, C, L) along the routes, copied."""
    rows, columns = images[:, 0].flatten(2), images[:, 1].transpose(2, 3).flatten(2)
    back, up = images[:, 2].flatten(2).flip(-1), images[:, 3].transpose(2, 3).flatten(2).flip(-1)
    return torch.stack([rows, columns, back, up], dim=1)
