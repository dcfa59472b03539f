"""Time the compiled CPU scan beside the plain numba loop, at the four stages of a 1024 x 1024 image.

    python packages/cmunet/benchmarks/scan_cpu.py

Ours does more than the rival in that time: it also gathers the routes, projects to delta, takes the softplus, keeps
the chunk states for the gradient and merges the four directions. Prints medians and ratios, and writes
`benchmarks/results/cmunet_scan_cpu.json` at the top of the repository.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from naive import naive_scan

from vitrail_cmunet.kernels.selective_scan import backends
from vitrail_cmunet.kernels.selective_scan.op import cross_scan_backward_op, cross_scan_op
from vitrail_cmunet.kernels.selective_scan.reference import cross_scan_reference, routes
from vitrail_cmunet.kernels.selective_scan.sample import STAGES, Stage, random_inputs
from vitrail_training.kernels.check import error_ratio
from vitrail_training.kernels.timing import compare, ratios, write_record

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results" / "cmunet_scan_cpu.json"


def op_inputs(stage: Stage, side: int) -> tuple[torch.Tensor, ...]:
    x, x_proj, *parameters = random_inputs(1, side, side, stage.d, stage.states_n, stage.rank)
    return x, torch.nn.functional.linear(x, x_proj.flatten(0, 1)), *parameters


def naive_inputs(inputs: tuple[torch.Tensor, ...], stage: Stage) -> tuple[np.ndarray, ...]:
    """The same scan laid out for the rival: u and delta (KD, L), B and C (K, L, N)."""
    x, projected, dt_weight, dt_bias, A_log, D = inputs
    route = routes(x.shape[1], x.shape[2])
    u = x.flatten(1, 2)[0][route].mT.flatten(0, 1)
    features = projected.flatten(1, 2)[0].unflatten(-1, (4, -1))
    features = torch.stack([features[route[k], k] for k in range(4)])
    dt, B, C = features.split([stage.rank, stage.states_n, stage.states_n], dim=-1)
    delta = torch.nn.functional.softplus(dt @ dt_weight.mT + dt_bias[:, None]).mT.flatten(0, 1)
    return tuple(t.contiguous().numpy() for t in (u, delta, -A_log.exp(), B, C, D))


def merged(y: np.ndarray, side: int) -> torch.Tensor:
    """The rival's (KD, L) as an image, to see that both compute the same."""
    route = routes(side, side)
    sequences = torch.from_numpy(y).unflatten(0, (4, -1)).mT
    image = torch.zeros_like(sequences[0])
    for k in range(4):
        image[route[k]] += sequences[k]
    return image.view(1, side, side, -1)


def run(stage: Stage, image: int, rounds: int) -> dict:
    side = image // stage.stride
    inputs = op_inputs(stage, side)
    chunk = backends.chunk_length("cpu", side * side)
    y, states = cross_scan_op(*inputs, chunk, "cpu")
    dy = torch.randn_like(y)
    rival = naive_inputs(inputs, stage)
    agreement = error_ratio(y, merged(naive_scan(*rival), side))
    timings = compare(
        {
            "naive": lambda: naive_scan(*rival),
            "forward": lambda: cross_scan_op(*inputs, chunk, "cpu"),
            "backward": lambda: cross_scan_backward_op(dy, states, *inputs, chunk, "cpu"),
        },
        rounds=rounds,
    )
    over = ratios(timings, "naive")["forward"], ratios(timings, "forward")["backward"]
    print(
        f"{4 * stage.d:4d} x {side * side:6d}   naive {timings['naive'].median:7.1f} ms   "
        f"forward {timings['forward'].median:6.1f} ms ({over[0]:.2f} x naive)   "
        f"backward {timings['backward'].median:6.1f} ms ({over[1]:.2f} x forward)   differ by {agreement:.1e}",
        flush=True,
    )
    return {
        "rows": 4 * stage.d,
        "length": side * side,
        **timings,
        "forward_over_naive": over[0],
        "backward_over_forward": over[1],
        "error_ratio_to_naive": agreement,
    }


def accuracy() -> dict[str, float]:
    """Error ratio of output and gradients to the float64 definition, at the longest sequence that is bearable."""
    inputs = op_inputs(STAGES[-1], 48)
    exact = [tensor.double().requires_grad_() for tensor in inputs]
    wanted, _ = cross_scan_reference(*exact)
    leaves = [tensor.requires_grad_() for tensor in inputs]
    y, _ = cross_scan_op(*leaves, 64, "cpu")
    dy = torch.randn_like(y)
    y.backward(dy)
    wanted.backward(dy.double())
    names = ("x", "projected", "dt_weight", "dt_bias", "A_log", "D")
    errors = {name: error_ratio(a.grad, b.grad) for name, a, b in zip(names, leaves, exact)}
    return {"y": error_ratio(y, wanted), **errors}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", type=int, default=1024, help="side of the image in pixels")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    stages = [run(stage, options.image, options.rounds) for stage in STAGES]
    errors = accuracy()
    print(
        "error ratios to the float64 definition, L = 2304:", {name: f"{e:.1e}" for name, e in errors.items()}
    )
    write_record(options.out, {"image": options.image, "stages": stages, "accuracy": errors})
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
