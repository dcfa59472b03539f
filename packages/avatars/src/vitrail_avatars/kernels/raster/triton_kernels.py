"""The Triton kernels of the rasteriser.

`points` is (B, V, 3) float32 and `triangles` (F, 3) int32 throughout. Places on the grid are int64, depths float64.
"""

from __future__ import annotations

import triton
import triton.language as tl

from vitrail_avatars.kernels.raster import limits

SUBPIXELS = tl.constexpr(limits.SUBPIXELS)
HALF = tl.constexpr(limits.SUBPIXELS // 2)
SHIFT = tl.constexpr(limits.SUBPIXELS.bit_length() - 1)
FARTHEST_OUT = tl.constexpr(limits.FARTHEST_OUT)
NEAREST = tl.constexpr(limits.NEAREST)
FARTHEST = tl.constexpr(limits.FARTHEST)
LAST_NUMBER = tl.constexpr((1 << 31) - 1)


@triton.jit
def corner(points, triangles, frame, face, which: tl.constexpr, vertices, here):
    """x and y on the grid and 1 / z of a corner of each face; 1 / z is 0 for a corner that is left out."""
    vertex = tl.load(triangles + face * 3 + which, mask=here, other=-1).to(tl.int64)
    here = here & (vertex >= 0) & (vertex < vertices)
    place = points + (frame * vertices + vertex) * 3
    x = tl.load(place, mask=here, other=0.0)
    y = tl.load(place + 1, mask=here, other=0.0)
    z = tl.load(place + 2, mask=here, other=0.0)
    usable = (tl.abs(x) <= FARTHEST_OUT) & (tl.abs(y) <= FARTHEST_OUT) & (z >= NEAREST) & (z <= FARTHEST)
    x = tl.floor(tl.where(usable, x, 0.0).to(tl.float64) * SUBPIXELS + 0.5).to(tl.int64)
    y = tl.floor(tl.where(usable, y, 0.0).to(tl.float64) * SUBPIXELS + 0.5).to(tl.int64)
    near = tl.where(usable, 1.0 / tl.where(usable, z, 1.0).to(tl.float64), 0.0)
    return x, y, near


@triton.jit
def setup(points, triangles, frame, face, vertices, height, width, here, CULL: tl.constexpr):
    """Corners such that the area, doubled, is positive, and the box of pixels; it is empty where nothing is drawn."""
    xi, yi, near_i = corner(points, triangles, frame, face, 0, vertices, here)
    xj, yj, near_j = corner(points, triangles, frame, face, 1, vertices, here)
    xk, yk, near_k = corner(points, triangles, frame, face, 2, vertices, here)
    area = (xj - xi) * (yk - yi) - (yj - yi) * (xk - xi)
    drawn = (near_i > 0) & (near_j > 0) & (near_k > 0) & (area != 0)
    if CULL:
        drawn = drawn & (area < 0)
    turned = area < 0
    xj, xk = tl.where(turned, xk, xj), tl.where(turned, xj, xk)
    yj, yk = tl.where(turned, yk, yj), tl.where(turned, yj, yk)
    near_j, near_k = tl.where(turned, near_k, near_j), tl.where(turned, near_j, near_k)
    left = tl.maximum((tl.minimum(tl.minimum(xi, xj), xk) + HALF - 1) >> SHIFT, 0)
    top = tl.maximum((tl.minimum(tl.minimum(yi, yj), yk) + HALF - 1) >> SHIFT, 0)
    right = tl.minimum((tl.maximum(tl.maximum(xi, xj), xk) - HALF) >> SHIFT, width - 1)
    bottom = tl.minimum((tl.maximum(tl.maximum(yi, yj), yk) - HALF) >> SHIFT, height - 1)
    across = tl.where(drawn, tl.maximum(right - left + 1, 0), 0)
    down = tl.where(drawn, tl.maximum(bottom - top + 1, 0), 0)
    return xi, yi, near_i, xj, yj, near_j, xk, yk, near_k, tl.abs(area), left, top, across, down


@triton.jit
def count_patches(
    points, triangles, counts,
    faces, vertices, height, width,
    CULL: tl.constexpr, SIDE: tl.constexpr, FACES: tl.constexpr,
):  # fmt: skip
    """counts (B, F) int64: patches of SIDE x SIDE pixels that cover a triangle's box; grid (tiles of FACES, B)."""
    face = tl.program_id(0) * FACES + tl.arange(0, FACES)
    frame = tl.program_id(1).to(tl.int64)
    here = face < faces
    _, _, _, _, _, _, _, _, _, _, _, _, across, down = setup(
        points, triangles, frame, face, vertices, height, width, here, CULL
    )
    patches = ((across + SIDE - 1) // SIDE) * ((down + SIDE - 1) // SIDE)
    tl.store(counts + frame * faces + face, patches, mask=here)


@triton.jit
def edge(x, y, xp, yp, xq, yq):
    """The edge function of (xp, yp) to (xq, yq) at (x, y), and whether that is inside."""
    dx, dy = xq - xp, yq - yp
    value = dx * (y - yp) - dy * (x - xp)
    owns = (dy < 0) | ((dy == 0) & (dx > 0))
    return value, (value > 0) | ((value == 0) & owns)


@triton.jit
def draw(
    points, triangles, ends, nearest,
    listed, faces, vertices, height, width,
    CULL: tl.constexpr, SIDE: tl.constexpr, PATCHES: tl.constexpr, HALVINGS: tl.constexpr,
):  # fmt: skip
    """Raise nearest (B, H, W) int64 to the 1 / z of what covers a pixel, and below it LAST_NUMBER - its number.

    ends (B F,): the running sum of counts; `listed` is B F, and 2 ** HALVINGS is above it. The programs share out all
    patches.
    """
    total = tl.load(ends + listed - 1)
    inner = tl.arange(0, SIDE * SIDE)[None, :]
    start = tl.program_id(0).to(tl.int64) * PATCHES
    while start < total:
        patch = start + tl.arange(0, PATCHES)
        here = patch < total
        # low becomes the first of the frames' faces that ends beyond the patch
        low = tl.zeros((PATCHES,), tl.int64)
        high = low + listed
        for _ in range(HALVINGS):
            middle = (low + high) // 2
            beyond = tl.load(ends + middle, mask=here & (low < high), other=0) > patch
            searching = low < high
            high = tl.where(searching & beyond, middle, high)
            low = tl.where(searching & (beyond == 0), middle + 1, low)
        before = tl.load(ends + low - 1, mask=here & (low > 0), other=0)
        frame, face = low // faces, low % faces
        xi, yi, near_i, xj, yj, near_j, xk, yk, near_k, area, left, top, across, _ = setup(
            points, triangles, frame, face, vertices, height, width, here, CULL
        )
        in_a_row = tl.maximum((across + SIDE - 1) // SIDE, 1)
        number = patch - before
        column = (left + number % in_a_row * SIDE)[:, None] + inner % SIDE
        row = (top + number // in_a_row * SIDE)[:, None] + inner // SIDE
        x, y = column * SUBPIXELS + HALF, row * SUBPIXELS + HALF
        xi, yi, xj, yj, xk, yk = xi[:, None], yi[:, None], xj[:, None], yj[:, None], xk[:, None], yk[:, None]
        u, inside_u = edge(x, y, xj, yj, xk, yk)
        v, inside_v = edge(x, y, xk, yk, xi, yi)
        w, inside_w = edge(x, y, xi, yi, xj, yj)
        scale = 1.0 / tl.maximum(area, 1).to(tl.float64)
        near = (
            u.to(tl.float64) * (near_i * scale)[:, None]
            + v.to(tl.float64) * (near_j * scale)[:, None]
            + w.to(tl.float64) * (near_k * scale)[:, None]
        )
        seen = here[:, None] & inside_u & inside_v & inside_w & (column < width) & (row < height)
        bits = near.to(tl.float32).to(tl.int32, bitcast=True).to(tl.int64)
        value = (bits << 32) | (-face + LAST_NUMBER)[:, None]
        tl.atomic_max(
            nearest + (frame[:, None] * height + row) * width + column, value, mask=seen, sem="relaxed"
        )
        start += tl.num_programs(0).to(tl.int64) * PATCHES


@triton.jit
def weigh(
    points, triangles, nearest, triangle, weights, depth,
    faces, vertices, height, width,
    PIXELS: tl.constexpr,
):  # fmt: skip
    """triangle, weights and depth from what `draw` left; grid (tiles of PIXELS, B)."""
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    frame = tl.program_id(1).to(tl.int64)
    here = pixel < height * width
    place = frame * height * width + pixel
    found = tl.load(nearest + place, mask=here, other=0)
    seen = found > 0
    face = -(found & 0xFFFFFFFF) + LAST_NUMBER
    xi, yi, near_i = corner(points, triangles, frame, face, 0, vertices, seen)
    xj, yj, near_j = corner(points, triangles, frame, face, 1, vertices, seen)
    xk, yk, near_k = corner(points, triangles, frame, face, 2, vertices, seen)
    x = (pixel % width).to(tl.int64) * SUBPIXELS + HALF
    y = (pixel // width).to(tl.int64) * SUBPIXELS + HALF
    xi, yi, xj, yj, xk, yk = xi - x, yi - y, xj - x, yj - y, xk - x, yk - y
    u, v, w = xj * yk - yj * xk, xk * yi - yk * xi, xi * yj - yi * xj
    part_i, part_j, part_k = u.to(tl.float64) * near_i, v.to(tl.float64) * near_j, w.to(tl.float64) * near_k
    inverse = 1.0 / tl.where(seen, part_i + part_j + part_k, 1.0)
    tl.store(triangle + place, tl.where(seen, face, -1).to(tl.int32), mask=here)
    tl.store(weights + place * 3, tl.where(seen, part_i * inverse, 0.0).to(tl.float32), mask=here)
    tl.store(weights + place * 3 + 1, tl.where(seen, part_j * inverse, 0.0).to(tl.float32), mask=here)
    tl.store(weights + place * 3 + 2, tl.where(seen, part_k * inverse, 0.0).to(tl.float32), mask=here)
    deep = (u + v + w).to(tl.float64) * inverse
    tl.store(depth + place, tl.where(seen, deep, float("inf")).to(tl.float32), mask=here)


@triton.jit
def interpolate(
    triangle, weights, triangles, attributes, picture,
    pixels, faces, vertices, channels, frame_stride,
    PIXELS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """picture (B, pixels, C); grid (tiles of PIXELS, B). CHANNELS is at least C."""
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    frame = tl.program_id(1).to(tl.int64)
    place = frame * pixels + pixel
    here = pixel < pixels
    face = tl.load(triangle + place, mask=here, other=-1).to(tl.int64)
    seen = (face >= 0) & (face < faces)
    channel = tl.arange(0, CHANNELS)[None, :]
    total = tl.zeros((PIXELS, CHANNELS), tl.float32)
    for which in tl.static_range(3):
        vertex = tl.load(triangles + face * 3 + which, mask=seen, other=-1).to(tl.int64)
        weight = tl.load(weights + place * 3 + which, mask=seen, other=0.0)
        known = ((vertex >= 0) & (vertex < vertices))[:, None] & (channel < channels)
        values = attributes + frame * frame_stride + vertex[:, None] * channels + channel
        total += weight[:, None] * tl.load(values, mask=known, other=0.0)
    tl.store(picture + place[:, None] * channels + channel, total, mask=here[:, None] & (channel < channels))
