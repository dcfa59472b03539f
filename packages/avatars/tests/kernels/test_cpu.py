"""The compiled CPU loops: threads, and rows long enough to be found by division."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail_avatars.kernels.raster import cpu, interpolate, rasterize
from vitrail_avatars.kernels.raster.sample import heads, soup

SIZE = (120, 160)
POINTS, TRIANGLES = heads(5, SIZE, 20, 20)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def draw():
    found = rasterize(POINTS, TRIANGLES, SIZE, backend="cpu")
    return *found, interpolate(found, TRIANGLES, POINTS, backend="cpu")


def test_every_number_of_threads_gives_the_same(threads):
    threads(1)
    wanted = draw()
    for count in (2, 3, 40):
        threads(count)
        assert all(torch.equal(one, other) for one, other in zip(draw(), wanted))


def test_several_callers_at_once(threads):
    threads(2)
    wanted = draw()
    with ThreadPoolExecutor(4) as callers:
        for found in callers.map(lambda _: draw(), range(8)):
            assert all(torch.equal(one, other) for one, other in zip(found, wanted))


@pytest.mark.parametrize("spread", [1, 30, 3000])
def test_wide_triangles_are_as_the_definition_has_them(spread):
    points, triangles = soup(1, SIZE, 40, 120, seed=spread)
    points[..., :2] = (points[..., :2] - 70) * spread + 70
    found, wanted = (rasterize(points, triangles, SIZE, cull=False, backend=b) for b in ("cpu", "reference"))
    assert torch.equal(found.triangle, wanted.triangle)
    torch.testing.assert_close(found.weights, wanted.weights, rtol=0, atol=3e-7)
    torch.testing.assert_close(found.depth, wanted.depth, rtol=3e-7, atol=0)


@settings(deadline=None, max_examples=300)
@given(
    st.integers(-(2**38) + 1, 2**38 - 1),
    st.integers(-3, 2**15 + 3),
    st.one_of(st.integers(-2, 2), st.integers(-(2**60), 2**60)),
    st.tuples(st.integers(0, 2**15 - 1), st.integers(0, 2**15 - 1)).map(sorted),
)
def test_the_ends_of_a_row_are_exact(step, zero, off, part):
    """Values of zero, or nearly, at any place; Python's integers say where they are not negative."""
    value = max(min(off - zero * step, 2**60), -(2**60))
    first, last = part
    found = cpu._kernels._narrow(value, step, first, last)
    if step > 0:
        wanted = max(-(value // step), first), last
    elif step < 0:
        wanted = first, min(value // -step, last)
    else:
        wanted = first, last if value >= 0 else first - 1
    if wanted[0] <= wanted[1]:
        assert found == wanted
    else:
        assert found[0] > found[1]
