"""How the weights of the losses change over a run."""

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


def ramp_up(step: int, *, length: int) -> float:
    """exp(-5 (1 - t)^2) with t = step / length: 0.007 at first, 1 from step `length` on; with length 0 always 1.

    So pseudo-labels are trusted little while the network that gives them knows little (Laine and Aila, ICLR 2017).
    """
    if step >= length:
        return 1.0
    return math.exp(-5 * (1 - step / length) ** 2)
