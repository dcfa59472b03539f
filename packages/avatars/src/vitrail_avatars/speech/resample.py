"""Sound at another rate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_ZEROS = 24  # zero crossings of the sinc on each side
_BETA = 9.0  # Kaiser window: 90 dB in the stop band


def resample(samples: NDArray[np.float32], up: int, down: int) -> NDArray[np.float32]:
    """`samples` (N,) at `up / down` times their rate: (ceil(N * up / down),) float32.

    A sinc under a Kaiser window, cut off at 0.95 of the lower of the two Nyquist frequencies.
    """
    common = math.gcd(up, down)
    up, down = up // common, down // common
    if up == down or len(samples) == 0:
        return np.array(samples, np.float32)
    cut = 0.95 * min(1.0, up / down)
    reach = math.ceil(_ZEROS / cut)
    padded = np.pad(samples.astype(np.float64), reach)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    output = np.empty(-(-len(samples) * up // down), np.float32)
    offsets = np.arange(-reach, reach + 1)
    for phase in range(up):
        # outputs phase, phase + up, ... lie at the same fraction between two samples
        whole, part = divmod(phase * down, up)
        distance = offsets - part / up
        taps = np.sinc(cut * distance) * np.i0(_BETA * np.sqrt(np.clip(1 - (distance / reach) ** 2, 0, 1)))
        output[phase::up] = windows[whole::down][: len(output[phase::up])] @ (taps / taps.sum())
    return output
