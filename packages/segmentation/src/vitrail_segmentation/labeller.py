"""From a scene and a segmenter to finished rows of labels, with one row of tiles in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import BrokenError, UsageError
from vitrail.interfaces import Segmenter
from vitrail.palettes import distinct_colours
from vitrail.results import Segmentation
from vitrail_segmentation.geotiff import IGNORE
from vitrail_segmentation.progress import Reporter, Silent
from vitrail_segmentation.scene import Scene
from vitrail_segmentation.tiling import Grid, RowBuffer


class RowLabeller:
    """Labels of finished image rows, from the top. `palette` is what the segmenter gave with its results."""

    def __init__(
        self,
        segmenter: Segmenter,
        scene: Scene,
        grid: Grid,
        batch: int = 1,
        report: Reporter | None = None,
    ) -> None:
        if batch < 1:
            raise UsageError(
                f"--batch is {batch}; wanted is the number of tiles to segment at once, 1 or more."
            )
        self.segmenter = segmenter
        self.scene = scene
        self.grid = grid
        self.batch = batch
        self.report = Silent() if report is None else report
        self.palette: list[list[int]] | None = None

    def colours(self) -> NDArray[np.uint8]:
        """(K, 3) uint8: the segmenter's, or distinct ones where it never ran."""
        if self.palette is None:
            return distinct_colours(len(self.segmenter.classes))
        return np.array(self.palette, dtype=np.uint8)

    def rows(self, first: int = 0) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """(row of tiles, labels (n, W) of the image rows that it finishes), from the row of tiles `first` on.

        Rows of tiles before `first` that reach below its top are computed again: their logits are part of what
        follows, and so the labels are the same as without the interruption.
        """
        grid = self.grid
        if first >= len(grid.rows):
            return
        buffer = RowBuffer(len(self.segmenter.classes), grid)
        done = grid.rows[first] * grid.width
        self.report.start(Path(self.scene.name).name, grid.height * grid.width, done)
        for row, columns, tiles in self._read_ahead(grid.first_reaching(first)):
            self._segment(buffer, row, tiles)
            if row >= first:
                area, count = grid.finished(row) * grid.width, len(grid.columns)
                self.report.advance(area * columns.stop // count - area * columns.start // count)
            if columns.stop == len(grid.columns):
                labels = buffer.finish(grid.finished(row), IGNORE)
                if row >= first:
                    yield row, labels

    def _read_ahead(self, first: int) -> Iterator[tuple[int, range, list[_Tile]]]:
        """Read the next batch in a thread while the present one is segmented."""
        jobs = [
            (row, range(start, min(start + self.batch, len(self.grid.columns))))
            for row in range(first, len(self.grid.rows))
            for start in range(0, len(self.grid.columns), self.batch)
        ]
        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(self._read, *jobs[0])
            for index, (row, columns) in enumerate(jobs):
                tiles = ahead.result()
                if index + 1 < len(jobs):
                    ahead = reader.submit(self._read, *jobs[index + 1])
                yield row, columns, tiles

    def _read(self, row: int, columns: range) -> list[_Tile]:
        grid = self.grid
        tiles = []
        for column in columns:
            box = (grid.rows[row], grid.columns[column], grid.tile_height, grid.tile_width)
            pixels, valid = self.scene.read(*box)
            if valid.any():
                fill_invalid(pixels, valid, getattr(self.segmenter, "fill_values", None))
                tiles.append(_Tile(column, pixels, valid))
        return tiles

    def _segment(self, buffer: RowBuffer, row: int, tiles: list[_Tile]) -> None:
        if not tiles:
            return
        results = self.segmenter.segment([tile.pixels for tile in tiles], scores=True)
        if len(results) != len(tiles):
            raise BrokenError(f"{self._id} gave {len(results)} results for {len(tiles)} images.")
        for tile, result in zip(tiles, results, strict=True):
            scores = self._checked(result, tile)
            known = tile.valid & (result.labels != result.ignore)
            weights = self.grid.row_weights[row][:, None] * self.grid.column_weights[tile.column]
            buffer.add(self.grid.columns[tile.column], scores, known, weights)
            if self.palette is None and result.palette is not None:
                self.palette = result.palette.tolist()

    def _checked(self, result: Segmentation, tile: _Tile) -> NDArray[np.float32]:
        wanted = (len(self.segmenter.classes), *tile.valid.shape)
        if result.scores is None:
            raise BrokenError(
                f"{self._id} gave no scores although they were asked for; tiles are blended by them."
            )
        if result.scores.shape != wanted:
            raise BrokenError(f"{self._id} gave scores of shape {result.scores.shape}; wanted is {wanted}.")
        if not np.isfinite(result.scores.max()):
            raise BrokenError(f"{self._id} gave scores that are nan or infinite; its weights may be damaged.")
        return result.scores

    @property
    def _id(self) -> str:
        return self.segmenter.spec.id


@dataclass
class _Tile:
    column: int
    pixels: NDArray[Any]
    valid: NDArray[np.bool_]


def fill_invalid(pixels: NDArray[Any], valid: NDArray[np.bool_], fill: Sequence[float] | None = None) -> None:
    """Give invalid pixels of (h, w, bands), in place, the value `fill` of their band, or the mean of the valid ones.

    A segmenter that was trained with certain values where there is no data names them as `fill_values`.
    """
    if valid.all():
        return
    values = pixels[valid].mean(axis=0, dtype=np.float64) if fill is None else np.asarray(fill, np.float64)
    pixels[~valid] = (np.rint(values) if pixels.dtype.kind in "iu" else values).astype(pixels.dtype)
