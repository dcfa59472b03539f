"""Comparing a label raster with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from vitrail.errors import InputError
from vitrail_segmentation.metrics import ConfusionMatrix
from vitrail_segmentation.raster import open_raster, read_window

ROWS = 512

Labels = Path | str | NDArray[np.integer]


def evaluate_raster(
    prediction: Labels, truth: Labels, *, classes: Sequence[str], ignore: int = 255
) -> ConfusionMatrix:
    """Count how two label rasters, or arrays (H, W), agree; files are read in strips.

    Pixels that are `ignore` or nodata in the truth are not counted; those that are so in the prediction only are
    missed. The files must have the same size; that they lie at the same place is left to the caller.
    """
    matrix = ConfusionMatrix(classes, ignore=ignore)
    with ExitStack() as stack:
        guess, true = _Source(prediction, stack, ignore), _Source(truth, stack, ignore)
        if guess.shape != true.shape:
            raise InputError(
                f"{guess.name} is {guess.shape[0]} x {guess.shape[1]} and {true.name} {true.shape[0]} x "
                f"{true.shape[1]} pixels; sizes must agree."
            )
        for start in range(0, true.shape[0], ROWS):
            stop = min(start + ROWS, true.shape[0])
            matrix.update(true.rows(start, stop), guess.rows(start, stop))
    return matrix


class _Source:
    def __init__(self, labels: Labels, stack: ExitStack, ignore: int) -> None:
        self.ignore = ignore
        self.array: NDArray[Any] | None = None
        if isinstance(labels, Path | str):
            self.name = str(labels)
            self.dataset = stack.enter_context(open_raster(labels))
            if self.dataset.count != 1:
                raise InputError(f"{self.name} has {self.dataset.count} bands; wanted are labels, one band.")
            self.shape = self.dataset.shape
        else:
            self.name, self.array, self.shape = "the array", labels, labels.shape
            if len(self.shape) != 2:
                raise InputError(f"An array of labels has shape {self.shape}; wanted is (H, W).")

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        if self.array is not None:
            return self.array[start:stop]
        pixels, valid = read_window(self.dataset, [1], Window(0, start, self.shape[1], stop - start))
        values = np.where(valid, pixels[..., 0], self.ignore)
        labels = values.astype(np.int64)
        if (labels != values).any():
            raise InputError(
                f"{self.name} holds {values[labels != values][0]:g}; wanted are whole numbers, labels."
            )
        return labels
