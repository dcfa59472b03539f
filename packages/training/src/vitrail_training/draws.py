"""Random numbers that follow from where a run is: there is no state to save, and a resumed run draws the same."""

from __future__ import annotations

import numpy as np
import torch

from vitrail_training.distributed import rank


def generator_for(device: torch.device, *numbers: int) -> torch.Generator:
    """A generator that starts from these numbers alone."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
    return torch.Generator(device).manual_seed(seed)


class StepDraws:
    """Generators for what a task draws in `loss`, which is called once for each part of a step.

    stream: a number that tells these draws from others of the same run. device: where they are drawn.
    """

    def __init__(self, stream: int, device: str | torch.device = "cpu") -> None:
        self.stream, self.device = stream, torch.device(device)
        self._place = (-1, 0)

    def __call__(self, seed: int, step: int) -> torch.Generator:
        """The generator of this part of this step, for this process; to be asked for once a part. seed: the run's."""
        before, part = self._place
        self._place = (step, part + 1 if step == before else 0)
        return generator_for(self.device, seed, self.stream, rank(), *self._place)
