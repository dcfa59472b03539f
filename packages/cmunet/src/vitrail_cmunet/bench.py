"""`vitrail bench cmunet/...`: how fast this component segments on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vitrail.errors import UsageError
from vitrail_cmunet.kernels.selective_scan import backends
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_training.kernels.timing import compare, machine


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What to time.

    size: sides of the square images, in pixels.
    batch: images at a time.
    rounds: how often each is timed, after two calls to warm up; the median is reported.
    """

    size: tuple[int, ...] = (256, 512)
    batch: int = 1
    rounds: int = 9

    def __post_init__(self) -> None:
        if not self.size or min(*self.size, self.batch, self.rounds) < 1:
            raise UsageError(
                f"size is {self.size}, batch {self.batch} and rounds {self.rounds}; wanted are numbers from 1."
            )


def bench(component: CMUNetSegmenter, *, options: BenchOptions = BenchOptions()) -> dict[str, Any]:
    """Median times of `segment`, numpy to labels, and of the network alone, on noise."""
    device = torch.device(component.device)
    rows = {}
    for side in options.size:
        images = [_noise(component, side, seed) for seed in range(options.batch)]
        tensor = component.prepare(images)
        rivals = {
            "segment": lambda images=images: component.segment(images),
            "network": lambda tensor=tensor: _run(component, tensor),
        }
        times = compare(rivals, rounds=options.rounds, device=device)
        rows[f"{side}x{side}"] = {
            "segment (ms)": round(times["segment"].median, 1),
            "network (ms)": round(times["network"].median, 1),
            "megapixels a second": round(options.batch * side * side / times["segment"].median / 1e3, 3),
        }
    scan = backends.pick(torch.empty(0, device=device))
    return {
        "component": component.spec.id,
        "scan": scan,
        "batch": options.batch,
        **machine(device),
        "times": rows,
    }


@torch.inference_mode()
def _run(component: CMUNetSegmenter, image: torch.Tensor) -> torch.Tensor:
    return component.module(image)


def _noise(component: CMUNetSegmenter, side: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(side, side, component.bands))
    values = np.array(component.config.mean) + noise * np.array(component.config.std)
    return values.clip(0, 255).astype(component.dtypes[0])
