"""The rasteriser's backends against the definition, what they do with a batch, and wrong arguments."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.errors import VitrailError
from vitrail_avatars.kernels.raster import Fragments, doctor, interpolate, pick, rasterize
from vitrail_avatars.kernels.raster.op import interpolate_op, rasterize_op
from vitrail_avatars.kernels.raster.sample import bumpy_sphere, hair, heads, soup

BACKENDS = ("reference", "cpu")
MESHES = {
    "head": heads(2, (48, 40), 12, 15),
    "hair": hair(2, (48, 40), strands=12, segments=8),
    "soup": soup(2, (48, 40), 30, 80),
    "specks": (soup(2, (48, 40), 300, 1)[0], torch.arange(300, dtype=torch.int32).view(100, 3)),
    "one": (soup(2, (48, 40), 3, 1, seed=1)[0].abs() + 1, torch.tensor([(0, 1, 2)])),
}


def assert_same(one: Fragments, other: Fragments) -> None:
    assert torch.equal(one.triangle, other.triangle)
    torch.testing.assert_close(one.weights, other.weights, rtol=0, atol=3e-7)
    torch.testing.assert_close(one.depth, other.depth, rtol=3e-7, atol=0)


@pytest.mark.parametrize("cull", [True, False])
@pytest.mark.parametrize("mesh", MESHES)
def test_is_the_definition(mesh, cull):
    points, triangles = MESHES[mesh]
    found = rasterize(points, triangles, (48, 40), cull=cull, backend="cpu")
    wanted = rasterize(points, triangles, (48, 40), cull=cull, backend="reference")
    assert_same(found, wanted)
    attributes = torch.randn(2, points.shape[1], 7)
    pictures = [interpolate(wanted, triangles, attributes, backend=backend) for backend in BACKENDS]
    torch.testing.assert_close(*pictures, rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.booleans(), st.integers(0, 10_000))
def test_is_the_definition_for_any_triangles(height, width, faces, cull, seed):
    points, triangles = soup(1, (height, width), 25, faces, seed)
    found, wanted = (
        rasterize(points, triangles, (height, width), cull=cull, backend=b) for b in ("cpu", "reference")
    )
    assert_same(found, wanted)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_it_returns(backend):
    points, triangles = MESHES["head"]
    found = rasterize(points, triangles, (48, 40), backend=backend)
    triangle, weights, depth = found
    assert (triangle.dtype, weights.dtype, depth.dtype) == (torch.int32, torch.float32, torch.float32)
    assert triangle.shape == depth.shape == (2, 48, 40)
    assert weights.shape == (2, 48, 40, 3)
    seen = triangle >= 0
    assert 0.3 < seen.float().mean() < 0.8
    assert triangle.min() == -1
    torch.testing.assert_close(weights.sum(dim=-1), seen.float(), rtol=0, atol=2e-7)
    assert weights.min() >= 0
    assert torch.equal(depth.isfinite(), seen)
    assert depth.min() >= points[..., 2].min()
    assert (depth[seen] < 4).all()  # the near half of the sphere
    pictures = interpolate(found, triangles, torch.rand(points.shape[1], 4), backend=backend)
    assert pictures.dtype == torch.float32
    assert pictures.shape == (2, 48, 40, 4)
    assert not pictures[~seen].any()
    assert (pictures[seen] > 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_frame_does_not_see_the_others(backend):
    points, triangles = MESHES["soup"]
    attributes = torch.randn(2, points.shape[1], 3)
    whole = rasterize(points, triangles, (48, 40), backend=backend)
    picture = interpolate(whole, triangles, attributes, backend=backend)
    for frame in range(2):
        part = slice(frame, frame + 1)
        alone = rasterize(points[part], triangles, (48, 40), backend=backend)
        assert all(torch.equal(one, other[part]) for one, other in zip(alone, whole))
        assert torch.equal(interpolate(alone, triangles, attributes[part], backend=backend), picture[part])


@pytest.mark.parametrize("backend", BACKENDS)
def test_shared_attributes_strides_and_index_dtypes(backend):
    points, triangles = MESHES["head"]
    wanted = rasterize(points, triangles, (48, 40), backend=backend)
    strided = points.mT.contiguous().mT, triangles.T.contiguous().T.long()
    again = rasterize(*strided, (48, 40), backend=backend)
    assert all(torch.equal(one, other) for one, other in zip(again, wanted))
    shared = torch.randn(points.shape[1], 5)
    picture = interpolate(wanted, triangles, shared, backend=backend)
    by_frame = torch.stack((shared, shared))
    for attributes in (shared[None], by_frame, by_frame.mT.contiguous().mT, shared.expand(2, -1, -1)):
        assert torch.equal(interpolate(wanted, strided[1], attributes, backend=backend), picture)
    turned = Fragments(*(x.mT.contiguous().mT for x in wanted))
    assert torch.equal(interpolate(turned, triangles, shared, backend=backend), picture)
    assert interpolate(wanted, triangles, shared[:, :0], backend=backend).shape == (2, 48, 40, 0)
    assert torch.equal(interpolate(wanted, triangles, shared[:, :1], backend=backend), picture[..., :1])


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_same_bits_every_time(backend):
    points, triangles = MESHES["soup"]
    first = rasterize(points, triangles, (48, 40), cull=False, backend=backend)
    again = rasterize(points, triangles, (48, 40), cull=False, backend=backend)
    assert all(torch.equal(one, other) for one, other in zip(first, again))


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_to_draw(backend):
    points, triangles = MESHES["soup"]
    for some, corners in (
        (points, triangles[:0]),
        (points[:, :0], triangles[:0]),
        (points[:0], triangles),
        (points[:0, :0], triangles[:0]),
    ):
        found = rasterize(some, corners, (5, 7), backend=backend)
        assert found.triangle.shape == (len(some), 5, 7)
        assert (found.triangle == -1).all()
        assert not found.weights.any()
        assert (found.depth == torch.inf).all()
        picture = interpolate(found, corners, some, backend=backend)
        assert picture.shape == (len(some), 5, 7, 3)
        assert not picture.any()


def test_opcheck():
    points, triangles = soup(2, (7, 9), 12, 20)
    for backend in BACKENDS:
        torch.library.opcheck(rasterize_op, (points, triangles, 7, 9, True, backend))
        triangle, weights, _ = rasterize(points, triangles, (7, 9), backend=backend)
        torch.library.opcheck(interpolate_op, (triangle, weights, triangles, points, backend))


def test_there_is_no_gradient():
    points, triangles = soup(1, (7, 9), 12, 20)
    found = rasterize(points.requires_grad_(), triangles, (7, 9))
    assert not any(x.requires_grad for x in (*found, interpolate(found, triangles, points)))


def test_torch_compile_sees_one_graph(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    points, triangles = soup(2, (7, 9), 12, 20)

    def draw(points):
        fragments = rasterize(points, triangles, (7, 9))
        return interpolate(fragments, triangles, points), fragments.depth

    compiled = torch.compile(draw, fullgraph=True, backend="aot_eager")
    assert all(torch.equal(one, other) for one, other in zip(compiled(points), draw(points)))


def test_the_choice_of_a_backend(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    points, triangles = soup(1, (7, 9), 12, 20)
    assert pick(points) == "cpu"
    assert next(iter(doctor())).level == "ok"
    with pytest.raises(VitrailError, match="needs a CUDA device"):
        rasterize(points, triangles, (7, 9), backend="triton")
    with pytest.raises(VitrailError, match="offers auto, cpu, reference, triton"):
        rasterize(points, triangles, (7, 9), backend="opengl")


def test_wrong_arguments():
    points, triangles = soup(1, (7, 9), 12, 20)
    size = (7, 9)
    for wrong, message in (
        (
            (points[0], triangles, size),
            r"points are torch.float32 of shape \(12, 3\); wanted is float32 \(B, V, 3\)",
        ),
        ((points[..., :2], triangles, size), r"shape \(1, 12, 2\)"),
        ((points.double(), triangles, size), "points are torch.float64"),
        ((points, triangles.float(), size), "triangles are torch.float32 .* wanted is int32 or int64"),
        ((points, triangles[:, :2], size), r"shape \(20, 2\)"),
        ((points, triangles[0], size), r"shape \(3,\)"),
        ((points, triangles.to("meta"), size), "on meta; wanted .* on cpu"),
        ((points, triangles, (0, 9)), r"size is \(0, 9\); wanted is a height and a width of 1 to 32768"),
        ((points, triangles, (7, 40_000)), r"size is \(7, 40000\)"),
    ):
        with pytest.raises(ValueError, match=message):
            rasterize(*wrong)
    found = rasterize(points, triangles, size)
    for wrong, message in (
        (
            (found, triangles, points.double()),
            r"attributes are torch.float64 .* wanted is float32 \(1, V, C\)",
        ),
        ((found, triangles, points.expand(2, -1, -1)), r"shape \(2, 12, 3\)"),
        ((found, triangles, points[0, 0]), r"shape \(3,\)"),
        ((found, triangles, points.to("meta")), "attributes are on meta"),
        ((found, triangles[:, 0], points), "triangles are"),
        (
            (found._replace(triangle=found.triangle.long()), triangles, points),
            "fragments have a triangle of torch.int64",
        ),
        ((found._replace(weights=found.depth), triangles, points), r"weights of torch.float32 \(1, 7, 9\)"),
        ((found._replace(weights=found.weights.double()), triangles, points), "weights of torch.float64"),
    ):
        with pytest.raises(ValueError, match=message):
            interpolate(*wrong)


@pytest.mark.parametrize("backend", BACKENDS)
def test_numbers_out_of_range(backend):
    points, triangles = soup(1, (7, 9), 12, 20)
    for number in (-1, 12):
        wrong = triangles.clone()
        wrong[3, 1] = number
        with pytest.raises(IndexError, match="wanted is 0 to 11, the vertices"):
            rasterize(points, wrong, (7, 9), backend=backend)
    found = rasterize(points, triangles, (7, 9), cull=False, backend=backend)
    with pytest.raises(IndexError, match="wanted is 0 to 10"):
        interpolate(found, triangles, points[:, :11], backend=backend)
    with pytest.raises(IndexError, match="there are 1 triangles"):
        interpolate(found, triangles[:1], points, backend=backend)


def test_the_sample_is_a_closed_mesh_seen_from_outside():
    vertices, triangles = bumpy_sphere()
    assert (len(vertices), len(triangles)) == (5043, 10_082)
    sides = torch.cat([triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    assert len({tuple(side) for side in sides.tolist()}) == len(sides)
    assert {tuple(side) for side in sides.tolist()} == {tuple(side) for side in sides.flip(1).tolist()}
    a, b, c = vertices[triangles.long()].double().unbind(dim=1)
    assert (torch.linalg.cross(b - a, c - a) * (a + b + c)).sum(dim=1).min() > 0
