"""The definition of the cross-scan: a plain loop over the steps, in the precision of its input.

For each of the four directions k, with u, B, C and dt taken along the route of k over the image:

    delta_t = softplus(dt_t W_k + bias_k)            A = -exp(A_log)
    h_t     = exp(delta_t A) h_{t-1} + delta_t B_t u_t
    y_t     = <C_t, h_t> + D_k u_t

and the output is the sum of the four y, each put back at its pixel (Mamba, arXiv 2312.00752; VMamba's SS2D,
arXiv 2401.10166; CM-UNet, arXiv 2405.10530).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

DIRECTIONS = 4


def routes(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """The pixel visited at each step, (4, L) int64: row by row, column by column, and both backwards."""
    rows = torch.arange(height * width, device=device)
    columns = rows.view(height, width).t().flatten()
    return torch.stack([rows, columns, rows.flip(0), columns.flip(0)])


def cross_scan_reference(
    x: Tensor,
    projected: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A_log: Tensor,
    D: Tensor,
    chunk: int = 64,
    entry: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Cross-scan by definition; autograd gives its gradients.

    x (B, H, W, d); projected (B, H, W, 4 (R + 2 N)), for each direction dt, B and C of every pixel;
    dt_weight (4, d, R); dt_bias (4, d); A_log (4 d, N); D (4 d,); entry (B, 4, N, d), the state before the
    first step, zero by default.

    Returns y (B, H, W, d) in x's dtype and the states before steps 0, chunk, 2 chunk, ...,
    (B, 4, ceil(L / chunk), N, d). Everything is computed in float32, or float64 if x is.
    """
    batch, height, width, d = x.shape
    length, states_n = height * width, A_log.shape[-1]
    real = torch.float64 if x.dtype == torch.float64 else torch.float32
    u, _, B, C, delta, A, _ = _along_routes(x, projected, dt_weight, dt_bias, A_log, real)
    skip = D.to(real).view(DIRECTIONS, 1, d) * u

    h = u.new_zeros(batch, DIRECTIONS, states_n, d) if entry is None else entry.to(real)
    outputs, states = [], []
    for t in range(length):
        if t % chunk == 0:
            states.append(h)
        step = delta[:, :, t, None]  # (B, 4, 1, d)
        h = torch.exp(step * A) * h + step * u[:, :, t, None] * B[:, :, t, :, None]
        outputs.append((C[:, :, t, :, None] * h).sum(dim=2))
    y = torch.stack(outputs, dim=2) + skip if length else skip

    merged = _merge(y, height, width).to(x.dtype)
    saved = torch.stack(states, dim=2) if states else h.new_zeros(batch, DIRECTIONS, 0, states_n, d)
    return merged, saved


def cross_scan_reference_backward(
    dy: Tensor, x: Tensor, projected: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor, D: Tensor
) -> tuple[Tensor, ...]:
    """The gradients of the six inputs for a gradient dy (B, H, W, d) of y, written out.

    With g_t the gradient of h_t, which runs backwards, and q_t = exp(delta_t A) h_{t-1}:

        g_t = C_t dy_t + exp(delta_{t+1} A) g_{t+1}
        du = D dy + delta <g, B>     ddelta = u <g, B> + <g q, A>     dA = sum_t delta g q
        dB = sum_d g delta u         dC = sum_d h dy                  dD = sum_t u dy
    """
    batch, height, width, d = x.shape
    length, states_n = height * width, A_log.shape[-1]
    real = torch.float64 if x.dtype == torch.float64 else torch.float32
    u, dt, B, C, delta, A, before_softplus = _along_routes(x, projected, dt_weight, dt_bias, A_log, real)
    dy = _at_routes(dy.to(real).flatten(1, 2), height, width)

    h = u.new_zeros(batch, DIRECTIONS, states_n, d)
    states, carried = [], []
    for t in range(length):
        carried.append(torch.exp(delta[:, :, t, None] * A) * h)
        h = carried[-1] + (delta * u)[:, :, t, None] * B[:, :, t, :, None]
        states.append(h)

    du, ddelta, dB, dC = (torch.zeros_like(tensor) for tensor in (u, delta, B, C))
    dA, g = torch.zeros_like(A), torch.zeros_like(h)
    for t in reversed(range(length)):
        g = g + C[:, :, t, :, None] * dy[:, :, t, None]
        gB = (g * B[:, :, t, :, None]).sum(dim=2)
        gq = g * carried[t]
        du[:, :, t] = delta[:, :, t] * gB
        ddelta[:, :, t] = u[:, :, t] * gB + (gq * A).sum(dim=2)
        dA += (delta[:, :, t, None] * gq).sum(dim=0)
        dB[:, :, t] = (g * (delta * u)[:, :, t, None]).sum(dim=3)
        dC[:, :, t] = (states[t] * dy[:, :, t, None]).sum(dim=3)
        g = torch.exp(delta[:, :, t, None] * A) * g

    du += D.to(real).view(DIRECTIONS, 1, d) * dy
    ddt = ddelta * torch.sigmoid(before_softplus)
    gradients = torch.cat([torch.einsum("bkld,kdr->bklr", ddt, dt_weight.to(real)), dB, dC], dim=-1)
    dprojected = torch.stack([_merge(gradients, height, width, only=k) for k in range(DIRECTIONS)], dim=3)
    return (
        _merge(du, height, width).to(x.dtype),
        dprojected.flatten(3).to(projected.dtype),
        torch.einsum("bkld,bklr->kdr", ddt, dt).to(dt_weight.dtype),
        ddt.sum(dim=(0, 2)).to(dt_bias.dtype),
        (dA * A).mT.reshape(A_log.shape).to(A_log.dtype),
        (u * dy).sum(dim=(0, 2)).flatten().to(D.dtype),
    )


def _at_routes(image: Tensor, height: int, width: int) -> Tensor:
    """(B, L, C) in pixel order -> (B, 4, L, C) in the order of each route."""
    return image[:, routes(height, width, image.device)]


def _merge(sequences: Tensor, height: int, width: int, only: int | None = None) -> Tensor:
    """(B, 4, L, C) in route order -> (B, H, W, C): the sum over the directions, or direction `only`."""
    route = routes(height, width, sequences.device)
    merged = torch.zeros_like(sequences[:, 0])
    for k in range(DIRECTIONS) if only is None else [only]:
        merged = merged.index_add(1, route[k], sequences[:, k])
    return merged.unflatten(1, (height, width))


def _along_routes(
    x: Tensor, projected: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor, real: torch.dtype
) -> tuple[Tensor, ...]:
    """u (B, 4, L, d), dt (.., R), B (.., N), C (.., N), delta (.., d), A (4, N, d) and delta before softplus."""
    _, height, width, d = x.shape
    rank, states_n = dt_weight.shape[-1], A_log.shape[-1]
    u = _at_routes(x.to(real).flatten(1, 2), height, width)
    features = _at_routes(projected.to(real).flatten(1, 2), height, width)
    features = features.unflatten(-1, (DIRECTIONS, rank + 2 * states_n))  # (B, route, L, direction, R + 2 N)
    features = torch.stack([features[:, k, :, k] for k in range(DIRECTIONS)], dim=1)
    dt, B, C = features.split([rank, states_n, states_n], dim=-1)
    before_softplus = torch.einsum("bklr,kdr->bkld", dt, dt_weight.to(real)) + dt_bias.to(real)[:, None]
    A = -torch.exp(A_log.to(real)).view(DIRECTIONS, d, states_n).mT
    return u, dt, B, C, F.softplus(before_softplus), A, before_softplus


def forward(*inputs_and_chunk) -> tuple[Tensor, Tensor]:
    """`cross_scan_reference` as the op calls it."""
    return cross_scan_reference(*inputs_and_chunk)


def backward(dy: Tensor, states: Tensor, *inputs_and_chunk) -> tuple[Tensor, ...]:
    """`cross_scan_reference_backward` as the op calls it: the saved states are not needed."""
    return cross_scan_reference_backward(dy, *inputs_and_chunk[:-1])


def chunk_length(length: int) -> int:
    return 64
