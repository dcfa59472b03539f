"""Which triangle is in front, how deep it is, and which are left out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail_avatars.kernels.raster import interpolate, rasterize

BACKENDS = ("reference", "cpu")
COVER = torch.tensor([(-50.0, -50.0), (-50.0, 90.0), (90.0, -50.0)])  # covers 16 x 16 pixels, a front face
SIZE = (16, 16)


def layers(*depths) -> tuple[torch.Tensor, torch.Tensor]:
    """Triangles, one behind the other, each with the three depths given or all at one."""
    z = torch.tensor([d if isinstance(d, tuple) else (d, d, d) for d in depths])
    xy = COVER.expand(len(depths), 3, 2)
    points = torch.cat((xy, z[..., None]), dim=-1).view(1, -1, 3)
    return points, torch.arange(3 * len(depths)).view(-1, 3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_nearest_is_seen_whatever_the_order(backend):
    points, triangles = layers(3.0, 1.0, 2.0)
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        found = rasterize(points, triangles[order], SIZE, backend=backend)
        assert (found.triangle == order.index(1)).all()
        torch.testing.assert_close(found.depth, torch.ones(1, *SIZE))


@pytest.mark.parametrize("backend", BACKENDS)
def test_of_equally_near_ones_the_lowest_number_is_seen(backend):
    points, triangles = layers(3.0, (1.0, 2.0, 4.0), (1.0, 2.0, 4.0), (1.0, 2.0, 4.0))
    assert (rasterize(points, triangles, SIZE, backend=backend).triangle == 1).all()
    assert (rasterize(points, triangles.flip(0), SIZE, backend=backend).triangle == 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_triangles_that_cross_share_the_picture(backend):
    points, triangles = layers((1.0, 1.0, 3.0), (1.38, 1.38, 1.38))
    found = rasterize(points, triangles, SIZE, backend=backend)
    single = [rasterize(points, part, SIZE, backend=backend).depth for part in triangles.split(1)]
    nearest = torch.stack(single).min(dim=0)
    assert set(nearest.indices.flatten().tolist()) == {0, 1}
    assert torch.equal(found.triangle, nearest.indices.int())
    assert torch.equal(found.depth, nearest.values)


coordinate = st.integers(-40 * 256, 60 * 256).map(lambda n: n / 256)
corner = st.tuples(coordinate, coordinate, st.floats(0.25, 50, width=32))


@settings(deadline=None, max_examples=60)
@given(st.tuples(corner, corner, corner), st.sampled_from(BACKENDS))
def test_depth_and_attributes_are_where_the_ray_meets_the_plane(corners, backend):
    """The three points are exact on the grid; a pinhole camera of focal length 20 in the middle, in float64."""
    points = torch.tensor(corners, dtype=torch.float64)
    space = torch.cat(((points[:, :2] - 8) / 20, torch.ones(3, 1)), dim=1) * points[:, 2:]
    found = rasterize(points.float()[None], torch.tensor([(0, 1, 2)]), SIZE, cull=False, backend=backend)
    where = interpolate(found, torch.tensor([(0, 1, 2)]), space.float(), backend=backend)[0]
    seen = found.triangle[0] >= 0
    y, x = torch.meshgrid(*[torch.arange(16, dtype=torch.float64) + 0.5] * 2, indexing="ij")
    rays = torch.stack(((x - 8) / 20, (y - 8) / 20, torch.ones(SIZE, dtype=torch.float64)), dim=-1)[seen]
    normal = torch.linalg.cross(space[1] - space[0], space[2] - space[0])
    facing = rays @ normal / (rays.norm(dim=1) * normal.norm())
    clear = facing.abs() > 1e-6  # nearly along the plane float64 does not say where either
    depth = (normal @ space[0] / (rays @ normal))[clear]
    torch.testing.assert_close(found.depth[0][seen][clear].double(), depth, rtol=1e-6, atol=0)
    limit = 3e-7 * space.abs().max().item()
    torch.testing.assert_close(
        where[seen][clear].double(), depth[:, None] * rays[clear], rtol=1e-6, atol=limit
    )
    assert (where[~seen] == 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_middle_of_a_slanted_edge_is_nearer_to_its_near_end(backend):
    points = torch.tensor([[(0.0, 0.5, 1.0), (2.0, 9.5, 3.0), (4.0, 0.5, 3.0)]])
    found = rasterize(points, torch.tensor([(0, 1, 2)]), (1, 4), backend=backend)
    for column in range(4):
        far = (column + 0.5) / 4
        one, other = (1 - far) / 1, far / 3
        torch.testing.assert_close(found.depth[0, 0, column].item(), 1 / (one + other), rtol=1e-6, atol=0)
        wanted = torch.tensor([one, 0, other]) / (one + other)
        torch.testing.assert_close(found.weights[0, 0, column], wanted, rtol=1e-6, atol=1e-7)


LEFT_OUT = {
    "at the camera": (2, 0.0),
    "behind the camera": (2, -1.0),
    "too near": (2, 2.0**-101),
    "too deep": (2, 2.0**101),
    "z is no number": (2, torch.nan),
    "z is infinite": (2, torch.inf),
    "x is no number": (0, torch.nan),
    "x is infinite": (0, torch.inf),
    "y is minus infinity": (1, -torch.inf),
    "x too far": (0, 2.0**20 + 1),
    "y too far": (1, -(2.0**20) - 1),
    "y enormous": (1, 3e38),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("reason", LEFT_OUT)
def test_a_triangle_with_such_a_corner_is_left_out(reason, backend):
    axis, value = LEFT_OUT[reason]
    for which in range(3):
        points, triangles = layers(1.0, 2.0)
        points[0, which, axis] = value
        found = rasterize(points, triangles, SIZE, cull=False, backend=backend)
        assert (found.triangle == 1).all()
        assert (found.depth == 2).all()


def far_out() -> tuple[torch.Tensor, torch.Tensor]:
    """Two triangles that meet in a line across the picture, with corners as far out as they may be."""
    most = 2.0**20
    points = torch.tensor([[(-most, -most, 1.0), (most, most, 1.0), (-most, most, 2.0), (most, -most, 3.0)]])
    return points, torch.tensor([(0, 2, 1), (0, 1, 3)])


@pytest.mark.parametrize("backend", BACKENDS)
def test_corners_as_far_out_as_they_may_be(backend):
    found = rasterize(*far_out(), (64, 64), backend=backend)
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    assert torch.equal(found.triangle[0], (x >= y).int())  # the diagonal is a left edge of the upper triangle
    torch.testing.assert_close(found.weights.sum(dim=-1), torch.ones(1, 64, 64))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("unit", [2.0**-90, 1e-3, 1e3, 2.0**90])
def test_the_unit_of_depth_does_not_matter(unit, backend):
    points, triangles = layers((1.0, 2.0, 4.0), (2.0, 1.0, 1.5))
    wanted = rasterize(points, triangles, SIZE, backend=backend)
    found = rasterize(points * torch.tensor([1, 1, unit]), triangles, SIZE, backend=backend)
    torch.testing.assert_close(found.weights, wanted.weights)
    torch.testing.assert_close(found.depth, wanted.depth * unit)
    assert torch.equal(found.triangle, wanted.triangle)
