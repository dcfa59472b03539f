"""Time the Triton scan beside mamba-ssm's CUDA kernel (with upstream's four copies around it) on a GPU.

    python packages/cmunet/benchmarks/scan_gpu.py

All eight scans of a 1024 x 1024 image, two for each decoder stage, at batch 1 and 8; forward alone and with the
gradient; float32 and bfloat16. The rival runs where `selective_scan_cuda` can be imported; the plain torch loop
only with --reference (it takes seconds a scan). Writes `benchmarks/results/cmunet_scan_gpu.json`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from vitrail_cmunet.kernels.selective_scan import backends, cross_scan
from vitrail_cmunet.kernels.selective_scan.sample import STAGES, random_inputs
from vitrail_training.kernels.check import error_ratio
from vitrail_training.kernels.timing import compare, ratios, write_record

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results" / "cmunet_scan_gpu.json"
BLOCKS = 2  # scans in each stage


def build(batch: int, image: int, dtype: torch.dtype) -> list[tuple[torch.Tensor, ...]]:
    """The inputs of the eight scans: images and projection weights in `dtype`, the other parameters in float32."""
    scans = []
    for stage in STAGES:
        for block in range(BLOCKS):
            side = image // stage.stride
            size = (batch, side, side, stage.d, stage.states_n, stage.rank)
            x, x_proj, *parameters = random_inputs(*size, device="cuda", seed=block)
            inputs = (x.to(dtype), x_proj.to(dtype), *parameters)
            scans.append(tuple(tensor.requires_grad_() for tensor in inputs))
    return scans


def forward(scans: list, backend: str) -> Callable[[], None]:
    def call() -> None:
        with torch.no_grad():
            for inputs in scans:
                cross_scan(*inputs, backend=backend)

    return call


def both_ways(scans: list, backend: str) -> Callable[[], None]:
    def call() -> None:
        for inputs in scans:
            y = cross_scan(*inputs, backend=backend)
            torch.autograd.grad(y, inputs, torch.ones_like(y))

    return call


def run(batch: int, image: int, dtype: torch.dtype, names: list[str], rounds: int) -> dict:
    scans = build(batch, image, dtype)
    record: dict = {"batch": batch, "image": image, "dtype": str(dtype).removeprefix("torch.")}
    if "mamba" in names:
        record["error_ratio_to_mamba"] = max(
            error_ratio(cross_scan(*inputs, backend="triton"), cross_scan(*inputs, backend="mamba"))
            for inputs in scans
        )
    for what, make in (("forward", forward), ("forward_backward", both_ways)):
        slow = 3 if "reference" in names else rounds
        timings = compare({name: make(scans, name) for name in names}, rounds=slow, warmup=3, device="cuda")
        times = "   ".join(f"{name} {timing.median:8.3f} ms" for name, timing in timings.items())
        gains = {name: ratio for name, ratio in ratios(timings, "triton").items() if name != "triton"}
        told = "   ".join(f"{name} / triton {ratio:.2f}" for name, ratio in gains.items())
        print(f"B={batch} {record['dtype']:8s} {what:16s} {times}   {told}", flush=True)
        record[what] = {**timings, "over_triton": gains}
    return record


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", type=int, default=1024)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--reference", action="store_true", help="time the plain torch loop too")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("scan_gpu.py needs an NVIDIA GPU; scan_cpu.py times the CPU.")
    names = ["triton"]
    missing = next(b for b in backends.BACKENDS if b.name == "mamba").why_not(torch.empty(0, device="cuda"))
    if missing:
        print(f"without the rival: {missing}")
    else:
        names.append("mamba")
    if options.reference:
        names.append("reference")
    runs = [
        run(batch, options.image, dtype, names, options.rounds)
        for batch in options.batches
        for dtype in (torch.float32, torch.bfloat16)
    ]
    write_record(options.out, {"rival_missing": missing, "runs": runs}, device="cuda")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
