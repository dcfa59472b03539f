"""Where tiles lie, how their logits are blended, and the memory of one row of tiles that this takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError

LOWEST = -60000.0  # the most negative logit that is kept; fp16 ends at -65504
CHUNK_ROWS = 64


def axis_positions(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles start along an axis of `length` pixels.

    The last tile is moved back into the image rather than reaching over its end. An axis that is shorter than a
    tile has one tile, as long as the axis.
    """
    if length <= tile:
        return [0]
    starts = list(range(0, length - tile, tile - overlap))
    return [*starts, length - tile]


def axis_weights(starts: list[int], tile: int, length: int) -> NDArray[np.float32]:
    """Weight of every tile along an axis, (tiles, tile) float32.

    Each is a raised cosine, positive everywhere, divided by the sum over all tiles: at every pixel of the axis the
    weights add up to 1. Weights of the plane are products of the two axes, and so add up to 1 as well.
    """
    window = np.sin(np.pi * (np.arange(tile) + 0.5) / tile) ** 2
    total = np.zeros(length)
    for start in starts:
        total[start : start + tile] += window
    return np.stack([window / total[start : start + tile] for start in starts]).astype(np.float32)


@dataclass(frozen=True)
class Grid:
    """Tiles over an image of (height, width): `tile` pixels square, neighbours share the fraction `overlap`."""

    height: int
    width: int
    tile: int = 512
    overlap: float = 0.25

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise UsageError(f"The image is {self.height}x{self.width} pixels: there is nothing to segment.")
        if self.tile < 1:
            raise UsageError(
                f"--tile is {self.tile}; wanted is the side of a tile in pixels, for instance 512."
            )
        if not 0 <= self.overlap <= 0.9:
            raise UsageError(f"--overlap is {self.overlap}; wanted is a fraction of the tile from 0 to 0.9.")

    @property
    def tile_height(self) -> int:
        return min(self.tile, self.height)

    @property
    def tile_width(self) -> int:
        return min(self.tile, self.width)

    @cached_property
    def rows(self) -> list[int]:
        """The first image row of every row of tiles."""
        return axis_positions(self.height, self.tile, self._shared)

    @cached_property
    def columns(self) -> list[int]:
        """The first image column of every column of tiles."""
        return axis_positions(self.width, self.tile, self._shared)

    @cached_property
    def row_weights(self) -> NDArray[np.float32]:
        """(rows of tiles, tile_height) float32."""
        return axis_weights(self.rows, self.tile_height, self.height)

    @cached_property
    def column_weights(self) -> NDArray[np.float32]:
        """(columns of tiles, tile_width) float32."""
        return axis_weights(self.columns, self.tile_width, self.width)

    def finished(self, row: int) -> int:
        """How many image rows, from the start of this row of tiles on, no later tile touches."""
        if row + 1 < len(self.rows):
            return self.rows[row + 1] - self.rows[row]
        return self.height - self.rows[row]

    def first_reaching(self, row: int) -> int:
        """The first row of tiles that reaches into the image rows of row `row`: where a run takes up again."""
        top = self.rows[row]
        return next(i for i, start in enumerate(self.rows) if start + self.tile_height > top)

    @property
    def _shared(self) -> int:
        return min(round(self.tile * self.overlap), self.tile - 1)


class RowBuffer:
    """Blended logits of the image rows under one row of tiles; finished rows leave it, the rest moves up.

    It takes tile height x width x K x 2 bytes, and a byte a pixel for which pixels are known.
    """

    def __init__(self, classes: int, grid: Grid) -> None:
        self._logits = np.zeros((grid.tile_height, classes, grid.width), dtype=np.float16)
        self._known = np.zeros((grid.tile_height, grid.width), dtype=np.bool_)
        self._scratch = np.empty((classes, grid.tile_height, grid.tile_width), dtype=np.float32)

    def add(
        self, left: int, scores: NDArray[np.float32], known: NDArray[np.bool_], weights: NDArray[np.float32]
    ) -> None:
        """Add a tile whose first column is `left`. scores: (K, h, w) finite logits; known, weights: (h, w).

        The largest logit of each pixel is subtracted first. That changes no order between classes, and the winner
        then counts as 0 and the others as small negative numbers where it is close, which is where fp16 is finest:
        rounding can only swap classes that differ by less than about 1e-7.
        """
        height, width = known.shape
        work = self._scratch[:, :height, :width]
        np.subtract(scores, scores.max(axis=0), out=work)
        np.multiply(work, weights, out=work)
        np.maximum(work, LOWEST, out=work)
        if not known.all():
            work *= known
        place = self._logits[:height, :, left : left + width].transpose(1, 0, 2)
        np.add(place, work, out=place, casting="same_kind")
        self._known[:height, left : left + width] |= known

    def finish(self, count: int, ignore: int) -> NDArray[np.uint8]:
        """Labels (count, width) uint8 of the topmost rows, which then leave the buffer."""
        labels = np.empty((count, self._logits.shape[2]), dtype=np.uint8)
        for start in range(0, count, CHUNK_ROWS):
            stop = min(start + CHUNK_ROWS, count)
            labels[start:stop] = _largest(self._logits[start:stop])
        labels[~self._known[:count]] = ignore
        kept = len(self._logits) - count
        for array in (self._logits, self._known):
            array[:kept] = array[count:]
            array[kept:] = 0
        return labels


def _largest(logits: NDArray[np.float16]) -> NDArray[np.uint8]:
    """(rows, K, width) fp16, none above 0 -> (rows, width) uint8, the first class with the largest logit.

    Among numbers that are not positive, the larger has the smaller bit pattern. Comparing patterns as integers is
    five times as fast as comparing fp16 on a CPU.
    """
    bits = logits.view(np.uint16)
    best = bits[:, 0].copy()
    labels = np.zeros(best.shape, dtype=np.uint8)
    for k in range(1, bits.shape[1]):
        np.putmask(labels, bits[:, k] < best, k)
        np.minimum(best, bits[:, k], out=best)
    return labels
