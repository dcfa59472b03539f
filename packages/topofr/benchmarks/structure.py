"""Time and memory of the structure loss beside the broadcast form of the released code.

    python packages/topofr/benchmarks/structure.py

Forward and backward of one batch of 112 x 112 images and 512-d embeddings. The broadcast form makes the
differences of all pairs, n^2 x 37632 numbers, and finds the trees by numpy Prim (the released code's own
loops are slower); it is left out where that would not fit. Peak memory is what the process grew by on a CPU,
in a process of its own, and what the allocator counted on a GPU; the inputs are not in it. Writes
`benchmarks/results/topofr_structure_cpu.json` (or _gpu.json).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch
from persistence import RESULTS

from vitrail_topofr.structure import structure_loss
from vitrail_training.kernels.memory import peak_growth
from vitrail_training.kernels.timing import compare, ratios, write_record

SHAPE = (3, 112, 112)


def prim(matrix: torch.Tensor) -> torch.Tensor:
    """Edges (n - 1, 2) of the tree of a dense matrix, by numpy on the host."""
    import numpy as np

    values = matrix.detach().cpu().numpy()
    n = len(values)
    nearest, parent = values[0].copy(), np.zeros(n, dtype=np.int64)
    outside = np.ones(n, dtype=bool)
    outside[0] = False
    nearest[0] = np.inf
    edges = []
    for _ in range(n - 1):
        vertex = int(nearest.argmin())
        edges.append((parent[vertex], vertex))
        outside[vertex] = False
        closer = outside & (values[vertex] < nearest)
        nearest[closer] = values[vertex][closer]
        parent[closer] = vertex
        nearest[vertex] = np.inf
    return torch.tensor(edges, device=matrix.device)


def broadcast_loss(images: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
    """The same loss by differences of all pairs."""
    x = images.flatten(1)
    of_x = (x[:, None] - x[None]).norm(dim=2) / (4 * x.shape[1]) ** 0.5
    of_z = (embeddings[:, None] - embeddings[None]).norm(dim=2)
    total = 0
    for matrix in (of_x, of_z):
        i, j = prim(matrix).unbind(1)
        total = total + (of_x[i, j] - of_z[i, j]).square().sum()
    return total / (2 * len(x))


FORMS = {"ours": structure_loss, "broadcast": broadcast_loss}


def inputs(n: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    images = torch.empty(n, *SHAPE, device=device)
    for image in images:
        image.uniform_(-1, 1)
    return images, torch.randn(n, 512, device=device, requires_grad=True)


def step(form: str, images: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
    loss = FORMS[form](images, embeddings)
    (gradient,) = torch.autograd.grad(loss, embeddings)
    return gradient


def peak(form: str, n: int, device: str) -> float:
    """Megabytes beyond the inputs, in a process of its own."""
    command = [sys.executable, __file__, "--peak", form, "--points", str(n), "--device", device]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure_peak(form: str, n: int, device: str) -> float | None:
    step(form, *inputs(4, device))
    images, embeddings = inputs(n, device)
    return peak_growth(lambda: step(form, images, embeddings), device)


def run(n: int, rounds: int, device: str, room: float) -> dict:
    forms = ["ours"]
    if 4 * n * n * 37632 * 1.1 < room * 1e9:
        forms.append("broadcast")
    images, embeddings = inputs(n, device)
    gradients = [step(form, images, embeddings) for form in forms]
    timings = compare(
        {form: lambda form=form: step(form, images, embeddings) for form in forms},
        rounds=rounds,
        warmup=1,
        device=device,
    )
    megabytes = {form: round(peak(form, n, device), 1) for form in forms}
    for form in forms:
        print(
            f"n = {n:4d}   {form:9s}   {timings[form].median:9.2f} ms   {megabytes[form]:9.1f} MB", flush=True
        )
    record = {"n": n, **timings, "over_ours": ratios(timings, "ours"), "peak_megabytes": megabytes}
    if len(forms) == 2:
        record["gradient_error"] = float((gradients[0] - gradients[1]).norm() / gradients[1].norm())
    return record


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--room", type=float, default=8.0, help="gigabytes that the broadcast form may take")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--peak", choices=list(FORMS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print(measure_peak(options.peak, options.points[0], options.device))
        return
    runs = [run(n, options.rounds, options.device, options.room) for n in options.points]
    name = "topofr_structure_cpu.json" if options.device == "cpu" else "topofr_structure_gpu.json"
    path = options.out or RESULTS / name
    write_record(path, {"image": SHAPE, "embedding": 512, "runs": runs}, device=options.device)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
