"""Labels, confidence and uncertainty of images of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vitrail_prcl.segmenter import Measured, PRCLSegmenter
from vitrail_segmentation.tiling import Grid

TILE = 1024


@torch.inference_mode()
def measure_image(
    segmenter: PRCLSegmenter, image: NDArray[Any], *, tile: int = TILE, overlap: float = 0.25
) -> Measured:
    """An image (H, W, bands), whole where it is no larger than a tile, else tile by tile.

    Of tiles, probabilities and uncertainties are averaged where they overlap, with weights that fall towards their
    edges. They are kept in memory: 4 (K + 1) bytes a pixel.
    """
    height, width = image.shape[:2]
    if max(height, width) <= tile:
        return segmenter.measure([image])[0]
    grid = Grid(height, width, tile, overlap)
    probability = np.zeros((len(segmenter.classes), height, width), np.float32)
    uncertainty = np.zeros((height, width), np.float32)
    for row, top in enumerate(grid.rows):
        for column, left in enumerate(grid.columns):
            window = slice(top, top + grid.tile_height), slice(left, left + grid.tile_width)
            ((_, prepared),) = segmenter.batches([image[window]])
            logits, doubt = segmenter.module.measure(prepared)
            weight = grid.row_weights[row][:, None] * grid.column_weights[column]
            probability[(slice(None), *window)] += weight * logits[0].float().softmax(dim=0).cpu().numpy()
            uncertainty[window] += weight * doubt[0].cpu().numpy()
    return Measured(
        labels=probability.argmax(axis=0).astype(segmenter.label_dtype),
        confidence=probability.max(axis=0),
        uncertainty=uncertainty,
    )
