"""`vitrail bench ID` for segmenters with a torch network: how fast one is on this machine.

This module needs torch; install `vitrail-segmentation[train]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from vitrail.errors import UsageError
from vitrail_segmentation.noise import noise_images
from vitrail_segmentation.torch_segmenter import TorchSegmenter
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


DEFAULT = BenchOptions()


def bench(
    component: TorchSegmenter,
    *,
    options: BenchOptions = DEFAULT,
    more: Mapping[str, Callable[[list[Any]], Any]] = {},
) -> dict[str, Any]:
    """Median times of `segment`, numpy to labels, and of the network alone, on noise.

    more: name -> what else to time in the same rounds; it is given the images.
    """
    rows = {}
    for side in options.size:
        images = noise_images(component, options.batch, side, side)
        tensor = component.prepare(images)
        rivals = {
            "segment": lambda images=images: component.segment(images),
            "network": lambda tensor=tensor: _run(component, tensor),
            **{name: lambda do=do, images=images: do(images) for name, do in more.items()},
        }
        times = compare(rivals, rounds=options.rounds, device=torch.device(component.device))
        rows[f"{side}x{side}"] = {
            **{f"{name} (ms)": round(timing.median, 1) for name, timing in times.items()},
            "megapixels a second": round(options.batch * side * side / times["segment"].median / 1e3, 3),
        }
    return {
        "component": component.spec.id,
        "batch": options.batch,
        **machine(torch.device(component.device)),
        "times": rows,
    }


@torch.inference_mode()
def _run(component: TorchSegmenter, image: torch.Tensor) -> Any:
    return component.module(image)
