"""MTCNN, the detector whose weights come with this package."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitrail.results import Face
from vitrail_recognition.detect.mtcnn.cascade import run_cascade
from vitrail_recognition.detect.mtcnn.nets import MTCNN

WEIGHTS = Path(__file__).parents[2] / "weights" / "mtcnn" / "mtcnn.safetensors"
THRESHOLDS = (0.6, 0.7)
"""Of the first two networks; the third's is the caller's."""


@functools.lru_cache(maxsize=4)
def load_nets(weights: Path = WEIGHTS, device: str = "cpu") -> MTCNN:
    """The three networks in eval mode; BrokenError for a file that is not theirs."""
    from vitrail_training.component import usable_device
    from vitrail_training.weights import load_weights, read_weights

    nets = MTCNN()
    load_weights(nets, read_weights(weights), where=str(weights))
    return nets.eval().requires_grad_(False).to(usable_device(device))


class Backend:
    """MTCNN as a backend of `vitrail_recognition.detect`.

    threshold: where the last network's score parts faces from the rest. facenet-pytorch takes 0.7, by which a
        hand and a sleeve (0.86, 0.87) were faces in one group photograph whose six faces have 0.975 and more.
    """

    threshold = 0.9

    def __init__(self, weights: Path | str | None = None, device: str = "cpu") -> None:
        self.nets = load_nets(WEIGHTS if weights is None else Path(weights), device)

    def __call__(self, images: NDArray[np.uint8], *, min_size: float, threshold: float) -> list[list[Face]]:
        return run_cascade(self.nets, images, min_size=min_size, thresholds=(*THRESHOLDS, threshold))
