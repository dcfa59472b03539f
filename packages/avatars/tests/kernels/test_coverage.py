"""Which pixels triangles cover: each once, whatever they share, and as two other libraries say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail_avatars.kernels.raster import rasterize
from vitrail_avatars.kernels.raster.sample import heads

BACKENDS = ("reference", "cpu")


def flat(xy) -> torch.Tensor:
    """Points (1, V, 3) at depth 1."""
    xy = torch.as_tensor(xy, dtype=torch.float32)
    return torch.cat((xy, torch.ones(len(xy), 1)), dim=1)[None]


def owners(points, triangles, size, backend) -> torch.Tensor:
    """How many triangles cover each pixel (H, W), each drawn alone."""
    drawn = [
        rasterize(points, part, size, cull=False, backend=backend).triangle[0] for part in triangles.split(1)
    ]
    return sum((triangle >= 0).int() for triangle in drawn)


def centres_in(low, high, count: int) -> torch.Tensor:
    """The pixels whose centres are in [low, high) after moving both to the grid."""
    low, high = (math.floor(x * 256 + 0.5) for x in (low, high))
    centre = torch.arange(count) * 256 + 128
    return (centre >= low) & (centre < high)


def square(rows: int, columns: int, diagonals: int) -> torch.Tensor:
    """Triangles of a lattice of rows x columns points; bits of `diagonals` say which way a cell is cut."""
    corners = []
    for n in range((rows - 1) * (columns - 1)):
        row, column = divmod(n, columns - 1)
        a = row * columns + column
        b, c, d = a + 1, a + columns + 1, a + columns
        corners += [(a, d, c), (a, c, b)] if diagonals >> n & 1 else [(a, d, b), (b, d, c)]
    return torch.tensor(corners)


shifts = st.one_of(st.integers(-300, 300).map(lambda n: n / 256), st.floats(-1.5, 1.5, width=32))


@settings(deadline=None, max_examples=40)
@given(shifts, shifts, st.sampled_from([4.0, 5.5, 3.3, 0.7, 4 + 1 / 256]), st.integers(0, 511))
def test_a_square_of_many_triangles_covers_each_pixel_once(dx, dy, cell, diagonals):
    place = torch.arange(4, dtype=torch.float32) * cell + 3
    xs, ys = place + np.float32(dx), place + np.float32(dy)
    points = flat(torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1).view(-1, 2))
    wanted = centres_in(ys[0].double(), ys[-1].double(), 24)[:, None] & centres_in(
        xs[0].double(), xs[-1].double(), 22
    )
    count = owners(points, square(4, 4, diagonals), (24, 22), "cpu")
    assert torch.equal(count, wanted.int())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("centre", [(10.0, 10.0), (10.5, 10.5), (9.37, 11.141), (10.5, 10.0)], ids=str)
def test_a_fan_of_thin_triangles_covers_each_pixel_once(centre, backend):
    rim = [(i * 0.5, 0.0) for i in range(40)] + [(20.0, i * 0.5) for i in range(40)]
    rim += [(20 - i * 0.5, 20.0) for i in range(40)] + [(0.0, 20 - i * 0.5) for i in range(40)]
    points = flat([centre, *rim])
    triangles = torch.tensor([(0, 1 + i, 1 + (i + 1) % 160) for i in range(160)])
    count = owners(points, triangles, (22, 21), backend)
    assert (count[:20, :20] == 1).all()
    assert count.sum() == 400


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_left_and_the_top_edge_own_what_lies_on_them(backend):
    corners = flat([(1.5, 1.5), (4.5, 1.5), (4.5, 4.5), (1.5, 4.5)])
    for triangles in ([(0, 1, 2), (0, 2, 3)], [(0, 2, 1), (3, 2, 0)]):
        seen = (
            rasterize(corners, torch.tensor(triangles), (6, 6), cull=False, backend=backend).triangle[0] >= 0
        )
        assert seen.nonzero().tolist() == [[y, x] for y in (1, 2, 3) for x in (1, 2, 3)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_points_go_to_the_nearest_step_and_a_half_goes_up(backend):
    for x, first in (
        (2.5 + 0.49 / 256, 2),
        (2.5 + 0.5 / 256, 3),
        (2.5 - 0.5 / 256, 2),
        (2.5 - 0.51 / 256, 2),
    ):
        points = flat([(x, -9), (x, 20), (30, -9)])
        seen = rasterize(points, torch.tensor([(0, 1, 2)]), (1, 8), backend=backend).triangle[0, 0] >= 0
        assert seen.nonzero().flatten().tolist() == list(range(first, 8))


@pytest.mark.parametrize("backend", BACKENDS)
def test_which_faces_are_culled(backend):
    counter_clockwise = flat([(1, 7), (7, 7), (4, 1)])  # as one looks at it: left, right, then up
    triangles = torch.tensor([(0, 1, 2), (1, 2, 0), (2, 0, 1)])
    for part in triangles.split(1):
        for corners, shown in ((part, True), (part.flip(1), False)):
            assert (
                rasterize(counter_clockwise, corners, (8, 8), backend=backend).triangle >= 0
            ).any() == shown
            both = rasterize(counter_clockwise, corners, (8, 8), cull=False, backend=backend)
            front = rasterize(counter_clockwise, part, (8, 8), backend=backend)
            assert torch.equal(both.triangle, front.triangle)
            order = [corners[0].tolist().index(v) for v in part[0].tolist()]
            torch.testing.assert_close(both.weights[..., order], front.weights)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_closed_mesh_hides_all_its_back_faces(backend):
    points, triangles = heads(1, (64, 64), 12, 15)
    front = rasterize(points, triangles, (64, 64), backend=backend)
    both = rasterize(points, triangles, (64, 64), cull=False, backend=backend)
    back = rasterize(points, triangles.flip(1), (64, 64), backend=backend)
    assert torch.equal(front.triangle, both.triangle)
    assert torch.equal(front.triangle >= 0, back.triangle >= 0)
    assert (back.depth[back.triangle >= 0] >= front.depth[front.triangle >= 0]).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_has_no_area_covers_nothing(backend):
    points = flat([(0.5, 0.5), (7.5, 7.5), (3.5, 3.5), (3.5, 3.5), (2, 6), (2 + 1 / 1024, 6)])
    triangles = torch.tensor([(0, 1, 2), (2, 3, 0), (0, 0, 0), (0, 1, 1), (4, 5, 1)])
    assert (rasterize(points, triangles, (8, 8), cull=False, backend=backend).triangle == -1).all()


def scattered(seed: int) -> np.ndarray:
    """Points on the grid, in general position, with a frame around the picture."""
    inner = np.random.default_rng(seed).integers(0, 40 * 256, (60, 2)) / 256
    return np.concatenate((inner, [(-5, -7), (45, -6), (44, 49), (-6, 46)]))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(3))
def test_scipy_and_matplotlib_find_the_same_triangles(seed, backend):
    spatial = pytest.importorskip("scipy.spatial")
    tri = pytest.importorskip("matplotlib.tri")
    xy = scattered(seed)
    mesh = spatial.Delaunay(xy)
    triangles = torch.from_numpy(mesh.simplices)
    ours = rasterize(flat(xy), triangles, (40, 40), cull=False, backend=backend).triangle[0].numpy()
    assert (ours >= 0).all()
    x, y = np.meshgrid(np.arange(40) + 0.5, np.arange(40) + 0.5)
    finder = tri.Triangulation(*xy.T, mesh.simplices).get_trifinder()
    for theirs in (mesh.find_simplex(np.stack((x, y), axis=-1)), finder(x, y)):
        differ = ours != theirs
        assert differ.mean() < 0.01
        corners = xy[mesh.simplices[ours[differ]]]  # there both own the edge that the centre lies on
        centre = np.stack((x[differ], y[differ]), axis=-1)[:, None]
        sides = np.roll(corners, -1, axis=1) - corners
        away = centre - corners
        assert (abs(sides[..., 0] * away[..., 1] - sides[..., 1] * away[..., 0]).min(axis=1) < 1e-9).all()
