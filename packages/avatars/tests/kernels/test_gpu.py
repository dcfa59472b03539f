"""The Triton kernels on a device."""

from __future__ import annotations

import pytest
import torch

from vitrail_avatars.kernels.raster import average, doctor, interpolate, pick, rasterize
from vitrail_avatars.kernels.raster.sample import hair, heads, soup

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]


def both(points, triangles, size, cull):
    """On the device by Triton, and on the host by the compiled loops, which the other tests hold to the definition."""
    found = rasterize(points.cuda(), triangles.cuda(), size, cull=cull, backend="triton")
    return found, rasterize(points, triangles, size, cull=cull, backend="cpu")


def assert_same(found, wanted) -> None:
    """Another triangle may be seen only where both are equally deep, but for the rounding of float32."""
    triangle, weights, depth = (x.cpu() for x in found)
    assert torch.equal(triangle >= 0, wanted.triangle >= 0)
    torch.testing.assert_close(depth, wanted.depth, rtol=3e-7, atol=0)
    same = triangle == wanted.triangle
    assert (~same).sum() <= 1e-5 * same.numel() + 1
    torch.testing.assert_close(weights[same], wanted.weights[same], rtol=0, atol=3e-7)


def test_is_the_choice_on_a_gpu(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    assert pick(torch.zeros(1, 1, 3, device="cuda")) == "triton"
    assert all(line.level == "ok" for line in doctor())


@pytest.mark.parametrize("cull", [True, False])
@pytest.mark.parametrize("size", [(256, 256), (63, 301), (1, 1)], ids=str)
@pytest.mark.parametrize("mesh", [heads, hair])
def test_is_what_the_cpu_draws(mesh, size, cull):
    points, triangles = mesh(3, size)
    found, wanted = both(points, triangles, size, cull)
    assert_same(found, wanted)
    attributes = torch.randn(3, points.shape[1], 7)
    for values in (attributes, attributes[0], attributes[:1, :, :1]):
        picture = interpolate(wanted, triangles, values, backend="cpu")
        moved = type(wanted)(*(x.cuda() for x in wanted))
        ours = interpolate(moved, triangles.cuda(), values.cuda(), backend="triton")
        torch.testing.assert_close(ours.cpu(), picture, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("faces", [1, 7, 400])
@pytest.mark.parametrize("frames", [1, 5])
def test_any_triangles(frames, faces):
    for seed in range(5):
        assert_same(*both(*soup(frames, (130, 90), 60, faces, seed), (130, 90), False))


def test_a_reference_on_the_device():
    points, triangles = soup(2, (40, 30), 30, 50)
    found = rasterize(points.cuda(), triangles.cuda(), (40, 30), backend="reference")
    assert_same(found, rasterize(points, triangles, (40, 30), backend="reference"))


def test_large_triangles_that_fill_the_picture():
    points, triangles = soup(4, (512, 512), 50, 60)
    assert_same(
        *both(points * torch.tensor([3, 3, 1]) - 300 * torch.tensor([1, 1, 0]), triangles, (512, 512), False)
    )


def test_the_same_bits_from_run_to_run():
    points, triangles = (x.cuda() for x in hair(8, (256, 256)))

    def draw():
        found = rasterize(points, triangles, (256, 256), cull=False)
        return *found, interpolate(found, triangles, points)

    first = draw()
    for _ in range(5):
        assert all(torch.equal(one, again) for one, again in zip(first, draw()))


def test_corners_that_are_no_rows_leave_their_triangles_out():
    points, triangles = soup(1, (40, 30), 30, 50)
    wrong = triangles.clone()
    wrong[::2, 1] = torch.tensor([-1, 30, 1 << 30, -(1 << 30), 31]).repeat(5)
    found = rasterize(points.cuda(), wrong.cuda(), (40, 30), cull=False).triangle.cpu()
    wanted = rasterize(points, triangles[1::2], (40, 30), cull=False).triangle
    assert torch.equal(found, torch.where(wanted >= 0, 2 * wanted + 1, -1))


def test_nothing_to_draw():
    points, triangles = (x.cuda() for x in soup(2, (5, 7), 9, 5))
    for some, corners in ((points, triangles[:0]), (points[:0], triangles), (points + 100, triangles)):
        found = rasterize(some, corners, (5, 7))
        assert (found.triangle == -1).all()
        assert not interpolate(found, corners, some).any()


def test_nothing_waits_for_the_device():
    points, triangles = (x.cuda() for x in heads(4, (64, 64)))

    def draw():
        found = rasterize(points, triangles, (64, 64))
        return average(interpolate(found, triangles, points), 2)

    draw()  # compiles
    torch.cuda.set_sync_debug_mode("error")
    try:
        draw()
    finally:
        torch.cuda.set_sync_debug_mode("default")
