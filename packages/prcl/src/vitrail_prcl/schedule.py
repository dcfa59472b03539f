"""How the weight of the contrastive loss changes over a run."""

from __future__ import annotations

import math


def ramp_down(step: int, *, start: float, end: float, begin: int, length: int) -> float:
    """start * exp(-5 t^2), but never below `end`; t = (step - begin) / length. With length 0 always `start`.

    Before `begin` it is `start`. PRCL's own run has start 1, end 0 and the whole length of training: 0.29 at half of
    it.
    """
    if length == 0 or step <= begin:
        return start
    return max(end, start * math.exp(-5 * ((step - begin) / length) ** 2))
