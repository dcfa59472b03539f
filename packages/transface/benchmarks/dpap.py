"""Time the amplitude mix of DPAP beside the usual batched FFT and the per-patch loop of the authors' code.

    python packages/transface/benchmarks/dpap.py [--device cuda]

A normalised batch (B, 3, 112, 112) lies on the device, with gates and draws; it has to be there perturbed afterwards.

    ours      the op: Triton on a GPU, its definition in plain torch on a CPU
    batched   the chosen patches gathered, FFT, amplitude and angle, inverse, scattered, in torch
    loop      the released code's way: the batch to the host and to 0..255, numpy patch by patch, and back

All cut to whole grey levels, as the released code does, and take donors from the clean batch. Prints medians and
ratios, and writes `benchmarks/results/transface_dpap_<cpu|gpu>.json` at the top of the repository.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vitrail_training.kernels.timing import compare, ratios, write_record
from vitrail_transface.kernels.amplitude_mix import amplitude_mix, pick
from vitrail_transface.kernels.amplitude_mix.sample import random_inputs

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"
PATCH, GRID = 9, 12


def batched(images: Tensor, targets: Tensor, donors: Tensor, share: Tensor, active: Tensor) -> Tensor:
    """As one writes it in torch today: fancy indexing over the patches, `torch.polar`, whole batch rescaled."""
    levels = (images + 1) * 127.5
    chosen = active.nonzero().squeeze(1)
    corner = torch.arange(PATCH, device=images.device)

    def pixels(number: Tensor) -> tuple[Tensor, ...]:
        image, cell = number // GRID**2, number % GRID**2
        rows = (cell // GRID * PATCH)[:, None] + corner
        columns = (cell % GRID * PATCH)[:, None] + corner
        channels = torch.arange(images.shape[1], device=images.device)
        return (
            image[:, None, None, None],
            channels[:, None, None],
            rows[:, None, :, None],
            columns[:, None, None],
        )

    place, other = pixels(targets[chosen]), pixels(donors[chosen])
    source, donor = torch.fft.rfft2(levels[place]), torch.fft.rfft2(levels[other])
    s = share[chosen, None, None, None]
    spectrum = torch.polar((1 - s) * source.abs() + s * donor.abs(), source.angle())
    mixed = torch.fft.irfft2(spectrum, s=(PATCH, PATCH)).clamp(0, 255).floor()
    levels[place] = mixed
    return levels / 127.5 - 1


def loop(images: Tensor, targets: Tensor, donors: Tensor, share: Tensor, active: Tensor) -> Tensor:
    """Patch by patch in numpy, on the host."""
    clean = ((images.cpu().numpy() + 1) * 127.5).transpose(0, 2, 3, 1)
    mixed = clean.copy()
    targets, donors, share, active = (x.cpu().numpy() for x in (targets, donors, share, active))

    def cut(array: np.ndarray, number: int) -> np.ndarray:
        image, cell = divmod(number, GRID**2)
        row, column = cell // GRID * PATCH, cell % GRID * PATCH
        return array[image, row : row + PATCH, column : column + PATCH]

    for p in np.flatnonzero(active):
        source = np.fft.fft2(cut(clean, targets[p]), axes=(0, 1))
        donor = np.fft.fft2(cut(clean, donors[p]), axes=(0, 1))
        amplitude = (1 - share[p]) * np.abs(source) + share[p] * np.abs(donor)
        patch = np.fft.ifft2(amplitude * np.exp(1j * np.angle(source)), axes=(0, 1)).real
        cut(mixed, targets[p])[:] = patch.clip(0, 255).astype(np.uint8)
    return (torch.from_numpy(mixed.transpose(0, 3, 1, 2)).to(images.device) / 127.5) - 1


def levels(images: Tensor) -> Tensor:
    """Whole grey levels 0..255 of a normalised batch."""
    return images.mul(127.5).add(127.5).round()


def agreement(calls: dict[str, Callable[[], Tensor]]) -> dict[str, float]:
    """Share of the pixels that differ from ours, by any grey level and by more than one."""
    ours = levels(calls["ours"]())
    found = {}
    for name, call in calls.items():
        if name != "ours":
            off = (levels(call()) - ours).abs()
            found[f"{name}: pixels off by one"] = (off > 0).double().mean().item()
            found[f"{name}: pixels off by more"] = (off > 1).double().mean().item()
    return found


def run(batch: int, device: str, rounds: int) -> dict:
    inputs = random_inputs(batch, device=device)
    calls = {
        "ours": lambda: amplitude_mix(*inputs, floor=True),
        "batched": lambda: batched(*inputs),
        "loop": lambda: loop(*inputs),
    }
    off = agreement(calls)
    timings = compare(calls, rounds=rounds, warmup=3, device=device)
    over = {name: ratio for name, ratio in ratios(timings, "ours").items() if name != "ours"}
    patches = int(inputs[-1].sum())
    times = "   ".join(f"{name} {timing.median:8.3f} ms" for name, timing in timings.items())
    told = "   ".join(f"{name} / ours {ratio:.2f}" for name, ratio in over.items())
    print(f"B={batch:4d}, {patches:4d} patches   {times}   {told}", flush=True)
    return {
        "batch": batch,
        "patches": patches,
        "backend": pick(inputs[0]),
        **timings,
        "over_ours": over,
        **off,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    kind = "gpu" if options.device.startswith("cuda") else "cpu"
    out = options.out or RESULTS / f"transface_dpap_{kind}.json"
    runs = [run(batch, options.device, options.rounds) for batch in options.batches]
    write_record(out, {"runs": runs}, device=options.device)
    print(f"written to {out}")


if __name__ == "__main__":
    main()
