from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.errors import UsageError
from vitrail_segmentation.tiling import Grid, RowBuffer, axis_positions, axis_weights

sizes = st.integers(1, 300)
tiles = st.integers(1, 64)
overlaps = st.floats(0, 0.9)


@given(length=sizes, tile=tiles, overlap=overlaps)
def test_tiles_cover_the_axis_and_stay_inside(length, tile, overlap):
    grid = Grid(length, 1, tile, overlap)
    starts = grid.rows
    assert starts[0] == 0
    assert starts[-1] + grid.tile_height == length
    assert all(0 < b - a <= grid.tile_height for a, b in pairwise(starts))


@given(length=sizes, tile=tiles, overlap=overlaps)
def test_weights_are_positive_and_add_up_to_one(length, tile, overlap):
    grid = Grid(length, 3, tile, overlap)
    weights = grid.row_weights
    assert weights.dtype == np.float32
    assert (weights > 0).all()
    total = np.zeros(length)
    for start, values in zip(grid.rows, weights):
        total[start : start + grid.tile_height] += values
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_weights_fade_smoothly():
    starts = axis_positions(1000, 256, 64)
    weights = axis_weights(starts, 256, 1000)
    inner = weights[1]
    assert inner[0] < 1e-3
    assert inner[-1] < 1e-3
    assert np.abs(np.diff(inner)).max() < 0.05
    assert (inner[64:192] == 1).all()


@given(length=sizes, tile=tiles, overlap=overlaps, data=st.data())
def test_finished_rows_are_reached_by_no_later_tile(length, tile, overlap, data):
    grid = Grid(length, 1, tile, overlap)
    assert sum(grid.finished(row) for row in range(len(grid.rows))) == length
    row = data.draw(st.integers(0, len(grid.rows) - 1))
    first = grid.first_reaching(row)
    reaching = [i for i in range(row + 1) if grid.rows[i] + grid.tile_height > grid.rows[row]]
    assert reaching == list(range(first, row + 1))


def test_overlap_of_nothing_and_of_nearly_everything():
    assert axis_positions(10, 4, 0) == [0, 4, 6]
    assert axis_positions(8, 4, 0) == [0, 4]
    assert axis_positions(5, 4, 0) == [0, 1]
    assert axis_positions(6, 4, 3) == [0, 1, 2]
    assert axis_positions(3, 4, 1) == [0]


@pytest.mark.parametrize(
    ("options", "said"),
    [({"tile": 0}, "--tile is 0"), ({"overlap": 1.0}, "--overlap is 1.0"), ({"overlap": -0.1}, "0 to 0.9")],
)
def test_impossible_grids(options, said):
    with pytest.raises(UsageError, match=said):
        Grid(10, 10, **options)
    with pytest.raises(UsageError, match="nothing to segment"):
        Grid(0, 10)


def add(buffer, grid, row, column, scores, known=None):
    known = np.ones(scores.shape[1:], bool) if known is None else known
    weights = grid.row_weights[row][:, None] * grid.column_weights[column]
    buffer.add(grid.columns[column], scores, known, weights)


def test_order_of_tiles_within_a_row_makes_no_difference(rng):
    grid = Grid(16, 70, 16, 0.5)
    scores = [rng.normal(size=(5, 16, 16)).astype(np.float32) for _ in grid.columns]
    found = []
    for order in (range(len(grid.columns)), reversed(range(len(grid.columns)))):
        buffer = RowBuffer(5, grid)
        for column in order:
            add(buffer, grid, 0, column, scores[column])
        found.append(buffer.finish(16, 255))
    np.testing.assert_array_equal(*found)


def test_blending_is_the_weighted_mean_of_logits(rng):
    grid = Grid(8, 20, 8, 0.5)
    scores = [3 * rng.normal(size=(3, 8, 8)) for _ in grid.columns]
    exact = np.zeros((3, 8, 20))
    buffer = RowBuffer(3, grid)
    for column, values in enumerate(scores):
        weights = grid.row_weights[0][:, None].astype(float) * grid.column_weights[column]
        exact[:, :, grid.columns[column] : grid.columns[column] + 8] += weights * values
        add(buffer, grid, 0, column, values.astype(np.float32))
    first, second = np.sort(exact, axis=0)[[-1, -2]]
    clear = first - second > 0.02
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(buffer.finish(8, 255)[clear], exact.argmax(axis=0)[clear])


def test_single_tile_gives_the_argmax_even_of_close_and_of_huge_logits(rng):
    grid = Grid(32, 32, 32)
    close = (1 + 1e-6 * rng.integers(0, 9, (6, 32, 32))).astype(np.float32)
    huge = (1e30 * rng.normal(size=(6, 32, 32))).astype(np.float32)
    masked = rng.normal(size=(6, 32, 32)).astype(np.float32)
    masked[2] = -np.inf
    for scores in (close, huge, masked, -masked.clip(-9) - 1e4):
        buffer = RowBuffer(6, grid)
        add(buffer, grid, 0, 0, scores.astype(np.float32))
        np.testing.assert_array_equal(buffer.finish(32, 255), scores.argmax(axis=0))


def test_pixel_that_one_tile_leaves_open_takes_the_other_tiles_label():
    grid = Grid(4, 6, 4, 0.5)
    zero, one = np.zeros((2, 4, 4), np.float32), np.zeros((2, 4, 4), np.float32)
    zero[0], one[1] = 1, 100
    open_ = np.ones((4, 4), bool)
    open_[0] = False
    buffer = RowBuffer(2, grid)
    add(buffer, grid, 0, 0, zero)
    add(buffer, grid, 0, 1, one, known=open_)
    assert buffer.finish(4, 255).tolist() == [[0, 0, 0, 0, 255, 255]] + 3 * [[0, 0, 1, 1, 1, 1]]


def test_rows_move_up_as_finished_ones_leave():
    grid = Grid(10, 4, 4, 0.5)
    buffer = RowBuffer(2, grid)
    labels = []
    for row in range(len(grid.rows)):
        scores = np.zeros((2, 4, 4), np.float32)
        scores[row % 2] = 1
        add(buffer, grid, row, 0, scores)
        labels += buffer.finish(grid.finished(row), 255)[:, 0].tolist()
    # in shared rows the tile wins in whose middle they lie
    assert labels == [0, 0, 0, 1, 1, 0, 0, 1, 1, 1]
