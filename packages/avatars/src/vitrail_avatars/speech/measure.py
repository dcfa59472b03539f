"""How loud and how high speech is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitrail_avatars.speech.phones import RATE


def loudness(samples: NDArray[np.float32], fps: int = 25) -> NDArray[np.float32]:
    """Root mean square of each frame. samples: (N,), 16,000 a second; returns (ceil(N * fps / 16,000),)."""
    edges = np.arange(-(-len(samples) * fps // RATE) + 1) * RATE // fps
    total = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
    total = total[np.minimum(edges, len(samples))]
    return np.sqrt(np.diff(total) / np.diff(edges)).astype(np.float32)


def pitch(
    samples: NDArray[np.float32], *, lowest: float = 60, highest: float = 500, fps: int = 100
) -> NDArray[np.float32]:
    """The fundamental frequency by autocorrelation, hertz, 0 where no voice is heard.

    samples: (N,), 16,000 a second; returns one value every 1/fps seconds, (floor(N * fps / 16,000),).
    The shortest lag whose correlation comes within a tenth of the best is taken, so that a voice is not
    heard an octave too low.
    """
    window, size = int(RATE / lowest * 2.5), 2048
    hop = RATE // fps
    padded = np.pad(samples.astype(np.float64), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop][: len(samples) // hop]
    taper = np.hanning(window)
    weight = np.fft.irfft(np.abs(np.fft.rfft(taper, size)) ** 2)
    first, last = int(RATE / highest), int(RATE / lowest)
    found = np.zeros(len(frames), np.float32)
    loudest = np.sqrt((frames**2).mean(axis=1)).max(initial=0)
    for index, frame in enumerate(frames):
        if np.sqrt((frame**2).mean()) <= 0.08 * loudest:
            continue
        power = np.abs(np.fft.rfft((frame - frame.mean()) * taper, size)) ** 2
        correlation = np.fft.irfft(power)[: last + 2] / weight[: last + 2]
        correlation /= max(correlation[0], 1e-12)
        inner = correlation[first : last + 1]
        peaks = (inner > correlation[first - 1 : last]) & (inner >= correlation[first + 1 : last + 2])
        if not peaks.any() or inner[peaks].max() < 0.5:
            continue
        found[index] = RATE / (first + np.flatnonzero(peaks & (inner > 0.9 * inner[peaks].max()))[0])
    return found
