"""`vitrail bench topofr/...`: how fast this component embeds on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vitrail.errors import UsageError
from vitrail_topofr.config import SIZE
from vitrail_topofr.recognizer import TopoFRRecognizer
from vitrail_training.kernels.timing import compare, machine


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What to time.

    batch: faces at a time, several numbers.
    rounds: how often each is timed, after two calls to warm up; the median is reported.
    """

    batch: tuple[int, ...] = (1, 16)
    rounds: int = 9

    def __post_init__(self) -> None:
        if not self.batch or min(*self.batch, self.rounds) < 1:
            raise UsageError(f"batch is {self.batch} and rounds {self.rounds}; wanted are numbers from 1.")


def bench(component: TopoFRRecognizer, *, options: BenchOptions = BenchOptions()) -> dict[str, Any]:
    """Median times of `embed`, numpy to unit vectors, and of the network alone, on noise."""
    device = torch.device(component.device)
    rng = np.random.default_rng(0)
    rows = {}
    for batch in options.batch:
        faces = list(rng.integers(0, 256, (batch, SIZE, SIZE, 3), dtype=np.uint8))
        tensor = component.prepare(faces)
        times = compare(
            {
                "embed": lambda faces=faces: component.embed(faces),
                "network": lambda tensor=tensor: _run(component, tensor),
            },
            rounds=options.rounds,
            device=device,
        )
        rows[f"{batch} faces"] = {
            "embed (ms)": round(times["embed"].median, 2),
            "network (ms)": round(times["network"].median, 2),
            "faces a second": round(batch / times["embed"].median * 1e3, 1),
        }
    return {"component": component.spec.id, **machine(device), "times": rows}


@torch.inference_mode()
def _run(component: TopoFRRecognizer, tensor: torch.Tensor) -> torch.Tensor:
    return component.module(tensor)
