"""Time the rasteriser, with 7 channels interpolated, beside a plain loop and its definition.

    python packages/avatars/benchmarks/raster.py                  a head and hair, 256 and 512 pixels, one thread
    python packages/avatars/benchmarks/raster.py --device cuda    32 frames of them

The head has 5,043 vertices and 10,082 triangles, and its back faces are culled; the hair has 60,000 triangles, a pixel
wide, and both sides are drawn. On the CPU the rivals are

    plain        a depth buffer as it is usually written, compiled by numba: for each triangle the pixels of its
                 bounding box, three edge functions at each, and depth and weights wherever all three hold
    reference    the definition, for a small head and a single frame only, since it takes seconds

and on a GPU the compiled loops on the CPU, with the way there and back. Before anything is timed all are compared.
Times are medians, in milliseconds a frame. Writes `benchmarks/results/avatars_raster_cpu.json` (or _gpu.json).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import torch
from torch import Tensor

from vitrail_avatars.kernels.raster import Fragments, interpolate, rasterize
from vitrail_avatars.kernels.raster.sample import hair, heads
from vitrail_training.kernels.timing import Timing, compare, ratios, write_record

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"
CHANNELS = 7
Draw = Callable[[], tuple[Fragments, Tensor]]


@numba.njit(nogil=True, error_model="numpy")
def plain_rasterize(points, triangles, cull, triangle, weights, depth):
    """One frame, with the same coverage as ours: points on a grid of 1/256 pixel, top-left rule, nearest first."""
    height, width = triangle.shape
    triangle[:] = -1
    weights[:] = 0
    depth[:] = np.inf
    for f in range(len(triangles)):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        zi, zj, zk = points[i, 2], points[j, 2], points[k, 2]
        if zi <= 0 or zj <= 0 or zk <= 0:
            continue
        xi, yi = int(np.floor(points[i, 0] * 256.0 + 0.5)), int(np.floor(points[i, 1] * 256.0 + 0.5))
        xj, yj = int(np.floor(points[j, 0] * 256.0 + 0.5)), int(np.floor(points[j, 1] * 256.0 + 0.5))
        xk, yk = int(np.floor(points[k, 0] * 256.0 + 0.5)), int(np.floor(points[k, 1] * 256.0 + 0.5))
        area = (xj - xi) * (yk - yi) - (yj - yi) * (xk - xi)
        if area == 0 or (cull and area > 0):
            continue
        sign = 1 if area > 0 else -1
        left, right = max(min(xi, xj, xk) // 256, 0), min(max(xi, xj, xk) // 256, width - 1)
        top, bottom = max(min(yi, yj, yk) // 256, 0), min(max(yi, yj, yk) // 256, height - 1)
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                x, y = column * 256 + 128, row * 256 + 128
                u = plain_edge(xj, yj, xk, yk, x, y, sign)
                v = plain_edge(xk, yk, xi, yi, x, y, sign)
                w = plain_edge(xi, yi, xj, yj, x, y, sign)
                if u >= 0 and v >= 0 and w >= 0:
                    u = (xk - xj) * (y - yj) - (yk - yj) * (x - xj)
                    v = (xi - xk) * (y - yk) - (yi - yk) * (x - xk)
                    w = (xj - xi) * (y - yi) - (yj - yi) * (x - xi)
                    a, b, c = u / area / zi, v / area / zj, w / area / zk
                    z = np.float32(1 / (a + b + c))
                    if z < depth[row, column]:
                        depth[row, column] = z
                        triangle[row, column] = f
                        weights[row, column, 0] = a * z
                        weights[row, column, 1] = b * z
                        weights[row, column, 2] = c * z


@numba.njit(nogil=True, error_model="numpy")
def plain_edge(xp, yp, xq, yq, x, y, sign):
    dx, dy = sign * (xq - xp), sign * (yq - yp)
    value = dx * (y - yp) - dy * (x - xp)
    return value if dy < 0 or (dy == 0 and dx > 0) else value - 1


@numba.njit(nogil=True, error_model="numpy")
def plain_interpolate(triangle, weights, triangles, attributes, picture):
    picture[:] = 0
    height, width, channels = picture.shape
    for row in range(height):
        for column in range(width):
            f = triangle[row, column]
            if f >= 0:
                for corner in range(3):
                    for c in range(channels):
                        value = attributes[triangles[f, corner], c]
                        picture[row, column, c] += weights[row, column, corner] * value


def plain(points: Tensor, triangles: Tensor, attributes: Tensor, size: tuple[int, int], cull: bool):
    shape = len(points), *size
    triangle = torch.empty(shape, dtype=torch.int32)
    weights, depth, picture = (
        torch.empty(*shape, 3),
        torch.empty(shape),
        torch.empty(*shape, attributes.shape[-1]),
    )
    corners, values = triangles.numpy(), attributes.numpy()
    for frame, *outputs in zip(*(x.numpy() for x in (points, triangle, weights, depth, picture))):
        plain_rasterize(frame, corners, cull, *outputs[:3])
        plain_interpolate(outputs[0], outputs[1], corners, values, outputs[3])
    return Fragments(triangle, weights, depth), picture


def ours(points, triangles, attributes, size, cull, backend):
    fragments = rasterize(points, triangles, size, cull=cull, backend=backend)
    return fragments, interpolate(fragments, triangles, attributes, backend=backend)


def through_the_cpu(points, triangles, attributes, size, cull):
    fragments, picture = ours(points.cpu(), triangles.cpu(), attributes.cpu(), size, cull, "cpu")
    return Fragments(*(x.to(points.device) for x in fragments)), picture.to(points.device)


def difference(one: tuple[Fragments, Tensor], other: tuple[Fragments, Tensor]) -> dict[str, float]:
    """Pixels that see another triangle, and the largest difference of the values elsewhere."""
    same = one[0].triangle == other[0].triangle
    found = (~same).sum().item()
    if found > 1e-4 * same.numel():
        raise SystemExit(
            f"{found} of {same.numel()} pixels see another triangle: there is nothing to compare."
        )
    return {"pixels": found, "values": (one[1] - other[1])[same].abs().max().item()}


def timed(title: str, rivals: dict[str, Draw], options: argparse.Namespace, frames: int) -> dict:
    wanted = rivals["ours"]()
    differences = {name: difference(rival(), wanted) for name, rival in rivals.items() if name != "ours"}
    timings = compare(rivals, rounds=options.rounds, device=options.device)
    each = {
        name: Timing(t.median / frames, t.fastest / frames, t.slowest / frames, t.rounds)
        for name, t in timings.items()
    }
    over = ratios(timings, "ours")
    for name, timing in each.items():
        print(
            f"{title:14s} {name:14s} {timing.median:10.3f} ms a frame {over[name]:10.2f} x ours", flush=True
        )
    seen = (wanted[0].triangle >= 0).float().mean().item()
    return {
        "milliseconds_a_frame": each,
        "over_ours": over,
        "differences": differences,
        "share_seen": round(seen, 3),
    }


def inputs(mesh: Callable, size: tuple[int, int], options: argparse.Namespace, frames: int, **shape: int):
    points, triangles = mesh(frames, size, **shape)
    attributes = torch.rand(points.shape[1], CHANNELS, generator=torch.Generator().manual_seed(0))
    return tuple(x.to(options.device) for x in (points, triangles, attributes))


def run(options: argparse.Namespace) -> dict:
    record, cuda = {}, options.device == "cuda"
    for mesh, cull in ((heads, True), (hair, False)):
        for side in options.sides:
            given = (*inputs(mesh, (side, side), options, options.frames), (side, side), cull)
            rivals: dict[str, Draw] = {"ours": lambda g=given: ours(*g, "triton" if cuda else "cpu")}
            if cuda:
                rivals["cpu and back"] = lambda g=given: through_the_cpu(*g)
            else:
                rivals["plain"] = lambda g=given: plain(*g)
            title = f"{mesh.__name__} {side}"
            record[title] = timed(title, rivals, options, options.frames)
            record[title] |= {"vertices": given[0].shape[1], "triangles": len(given[1])}
    if not cuda:
        given = (*inputs(heads, (64, 64), options, 1, rows=20, columns=20), (64, 64), True)
        rivals = {"ours": lambda: ours(*given, "cpu"), "reference": lambda: ours(*given, "reference")}
        record["small head 64"] = timed("small head 64", rivals, options, 1)
        record["small head 64"] |= {"vertices": given[0].shape[1], "triangles": len(given[1])}
    return record


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, help="in a call; 8, or 32 on a GPU")
    parser.add_argument(
        "--sides", type=int, nargs="+", default=[256, 512], help="pixels of the pictures' sides"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1, help="of the CPU; `plain` has one in any case")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.frames = options.frames or (32 if options.device == "cuda" else 8)
    if options.device == "cpu":
        torch.set_num_threads(options.threads)
    record = {"frames": options.frames, "channels": CHANNELS, "meshes": run(options)}
    path = options.out or RESULTS / f"avatars_raster_{'gpu' if options.device == 'cuda' else 'cpu'}.json"
    write_record(path, record, device=options.device)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
