"""Time H0 persistence beside scipy, gudhi, ripser and twenty lines of numpy, for 128, 512 and 2048 points.

    python packages/topofr/benchmarks/persistence.py

All get the same float32 distance matrix (random points in 512 dimensions) and give n - 1 sorted lengths, which
are compared bit by bit before anything is timed. Ours is timed as a user calls it, with the check for NaN and
asymmetry. Times are of one call: the mean of several in a row (32 at n = 128, 8 at 512, 2 at 2048), and, as
"after a pause", of a single one that finds the caches as other programs left them. Writes
`benchmarks/results/topofr_persistence_cpu.json` at the top of the repository. With --device cuda it times the Triton
backend, beside copies to the host and what runs there, and the file's name ends with _gpu.json. Rivals that are
not installed are left out, and ours on the host without numba.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from vitrail_topofr.kernels.persistence import persistence
from vitrail_training.kernels.timing import Timing, compare, ratios, write_record

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"


def numpy_prim(matrix: np.ndarray) -> np.ndarray:
    """The honest rival: Prim over a dense matrix, O(n^2)."""
    n = len(matrix)
    nearest = matrix[0].copy()
    nearest[0] = np.inf
    outside = np.ones(n, dtype=bool)
    outside[0] = False
    lengths = np.empty(n - 1, matrix.dtype)
    for step in range(n - 1):
        vertex = nearest.argmin()
        lengths[step] = nearest[vertex]
        outside[vertex] = False
        np.minimum(nearest, matrix[vertex], out=nearest, where=outside)
        nearest[vertex] = np.inf
    lengths.sort()
    return lengths


def of_scipy(matrix: np.ndarray) -> np.ndarray:
    from scipy.sparse.csgraph import minimum_spanning_tree

    return np.sort(minimum_spanning_tree(matrix).data)


def of_gudhi(matrix: np.ndarray) -> np.ndarray:
    import gudhi

    tree = gudhi.RipsComplex(distance_matrix=matrix).create_simplex_tree(max_dimension=1)
    tree.compute_persistence()
    deaths = tree.persistence_intervals_in_dimension(0)[:, 1]
    return np.sort(deaths[np.isfinite(deaths)])


def of_ripser(matrix: np.ndarray) -> np.ndarray:
    import ripser

    deaths = ripser.ripser(matrix, distance_matrix=True, maxdim=0)["dgms"][0][:, 1]
    return np.sort(deaths[np.isfinite(deaths)])


RIVALS = {"scipy": of_scipy, "gudhi": of_gudhi, "ripser": of_ripser}


def in_a_row(call: Callable, count: int) -> Callable[[], None]:
    def several() -> None:
        for _ in range(count):
            call()

    return several


def each(timing: Timing, count: int) -> Timing:
    """Of one call among `count`."""
    return Timing(timing.median / count, timing.fastest / count, timing.slowest / count, timing.rounds)


def run(n: int, rounds: int, device: str) -> dict:
    torch.manual_seed(0)
    points = torch.randn(n, 512).double()
    distances = (
        torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").float().fill_diagonal_(0)
    )
    matrix = distances.numpy()
    if device != "cpu":
        return {"n": n, **on_device(distances.to(device), matrix, rounds)}
    rivals: dict[str, Callable] = {
        name: lambda rival=rival: rival(matrix) for name, rival in RIVALS.items() if find_spec(name)
    }
    rivals |= {
        "numpy Prim": lambda: numpy_prim(matrix),
        "ours": lambda: persistence(distances)[1].numpy(),
    }
    wanted = rivals["ours"]()
    for name, rival in rivals.items():
        if not np.array_equal(rival().astype(np.float32), wanted):
            raise SystemExit(f"{name} gives other lengths for n = {n}.")
    calls = max(1, 4096 // n)
    timings = {
        name: each(timing, calls)
        for name, timing in compare(
            {name: in_a_row(rival, calls) for name, rival in rivals.items()}, rounds=rounds, warmup=1
        ).items()
    }
    alone = compare(rivals, rounds=rounds, warmup=0)
    over = ratios(timings, "ours")
    fastest = min((name for name in rivals if name != "ours"), key=lambda name: timings[name].median)
    told = "   ".join(
        f"{name} {timing.median:.3f} ms ({over[name]:.1f} x)" for name, timing in timings.items()
    )
    print(f"n = {n:5d}   {told}", flush=True)
    record = {
        "n": n,
        "calls": calls,
        **timings,
        "over_ours": over,
        "fastest_rival": fastest,
        "gain": over[fastest],
    }
    record["after_a_pause"] = {**alone, "over_ours": ratios(alone, "ours")}
    print(f"{'':9s}   after a pause: " + "   ".join(f"{name} {t.median:.3f} ms" for name, t in alone.items()))
    return record


def on_device(distances: torch.Tensor, matrix: np.ndarray, rounds: int) -> dict:
    """The GPU kernel, unchecked as in training, against a copy to the host and what runs there."""
    rivals: dict[str, Callable] = {
        "triton": lambda: persistence(distances, check=False),
        "triton, two matrices": lambda: persistence(torch.stack((distances, distances)), check=False),
        "copy to the host and numpy Prim": lambda: numpy_prim(distances.cpu().numpy()),
    }
    if find_spec("numba"):
        rivals["copy to the host and ours"] = lambda: persistence(distances.cpu(), check=False)
    if not np.array_equal(persistence(distances)[1].cpu().numpy(), numpy_prim(matrix)):
        raise SystemExit(f"Triton gives other lengths than numpy Prim for n = {len(matrix)}.")
    timings = compare(rivals, rounds=rounds, warmup=3, device=distances.device)
    told = "   ".join(f"{name} {timing.median:.3f} ms" for name, timing in timings.items())
    print(f"n = {len(matrix):5d}   {told}", flush=True)
    return {**timings, "over_triton": ratios(timings, "triton")}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, nargs="+", default=[128, 512, 2048])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    runs = [run(n, options.rounds, options.device) for n in options.points]
    versions = {name: version(name) for name in RIVALS if find_spec(name)}
    name = "topofr_persistence_cpu.json" if options.device == "cpu" else "topofr_persistence_gpu.json"
    path = options.out or RESULTS / name
    write_record(path, {"rivals": versions, "runs": runs}, device=options.device)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
