"""`vitrail bench ID` for recognisers: how fast one embeds on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vitrail.errors import UsageError
from vitrail.interfaces import Recognizer
from vitrail_training.kernels.timing import compare, machine


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What to time.

    batch: faces at a time, one or several numbers.
    rounds: how often each is timed, after two calls to warm up; the median is reported.
    """

    batch: tuple[int, ...] = (1, 16)
    rounds: int = 9

    def __post_init__(self) -> None:
        if not self.batch or min(*self.batch, self.rounds) < 1:
            raise UsageError(f"batch is {self.batch} and rounds {self.rounds}; wanted are numbers from 1.")


def bench(component: Recognizer, *, options: BenchOptions = BenchOptions()) -> dict[str, Any]:
    """Median times of `embed`, numpy to unit vectors, on noise; and of the network alone, where the component has a
    torch `module` and a `prepare` that makes its input."""
    rows = {}
    for batch in options.batch:
        shape = (batch, *(component.spec.inputs.size or (112, 112)), 3)
        faces = list(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
        rivals = {"embed": lambda faces=faces: component.embed(faces)}
        if hasattr(component, "prepare"):
            tensor = component.prepare(faces)
            rivals["network"] = lambda tensor=tensor: _run(component.module, tensor)
        times = compare(rivals, rounds=options.rounds, device=component.device)
        rows[f"{batch} faces"] = {
            **{f"{name} (ms)": round(timing.median, 2) for name, timing in times.items()},
            "faces a second": round(batch / times["embed"].median * 1e3, 1),
        }
    return {"component": component.spec.id, **machine(component.device), "times": rows}


@torch.inference_mode()
def _run(module: torch.nn.Module, tensor: torch.Tensor) -> Any:
    return module(tensor)
