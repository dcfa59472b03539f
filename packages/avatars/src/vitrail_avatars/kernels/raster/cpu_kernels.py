"""The compiled loops of cpu.py, each for one frame."""

from __future__ import annotations

import math

import numba
import numpy as np
from numba import boolean, float32, float64, int32, int64, uint32, void
from numba.types import Array, UniTuple

from vitrail_avatars.kernels.raster.limits import FARTHEST, FARTHEST_OUT, NEAREST, SUBPIXELS

# unsigned, so that no index is tested for being negative
_points, _triangles = Array(float32, 2, "C", readonly=True), Array(uint32, 2, "C", readonly=True)
_places, _near = Array(int64, 2, "C"), Array(float64, 1, "C")
_seen, _plane, _layers = Array(int32, 2, "C"), Array(float32, 2, "C"), Array(float32, 3, "C")
_seen_before, _weights = Array(int32, 2, "C", readonly=True), Array(float32, 3, "C", readonly=True)
_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
_HALF = SUBPIXELS // 2
_SHIFT = SUBPIXELS.bit_length() - 1
_WIDE = 16  # pixels from which on divisions find the ends of a row sooner than a walk


@numba.njit(void(_points, _places, _near), **_OPTIONS)
def place(points, places, near):
    """Move the points to the grid: places (V, 2) in its steps; near (V,) is 1 / z, or 0 for a point left out."""
    for v in range(len(points)):
        x, y, z = points[v]
        if abs(x) <= FARTHEST_OUT and abs(y) <= FARTHEST_OUT and z >= NEAREST and z <= FARTHEST:  # NaN fails
            places[v, 0] = math.floor(float64(x) * SUBPIXELS + 0.5)
            places[v, 1] = math.floor(float64(y) * SUBPIXELS + 0.5)
            near[v] = 1 / float64(z)
        else:
            near[v] = 0


@numba.njit(int64(int64, int64), **_OPTIONS)
def _least(x, y):
    """The least value inside of an edge that goes by (x, y): left and top edges own the centres that lie on them."""
    return 0 if y < 0 or (y == 0 and x > 0) else 1


@numba.njit(UniTuple(int64, 2)(int64, int64, int64, int64), **_OPTIONS)
def _narrow(value, step, first, last):
    """The part of first to last where value + n step >= 0; step is below 2**38, last below 2**15."""
    if step == 0:
        return first, (last if value >= 0 else first - 1)
    n = int64(-value / step)  # rounding never takes a quotient past the next integer, so one loop is enough
    if step > 0:
        n = max(n, first)
        while n <= last and value + n * step < 0:
            n += 1
        return n, last
    n = min(n, last)
    while n >= first and value + n * step < 0:
        n -= 1
    return first, n


@numba.njit(UniTuple(int64, 2)(int64, int64, int64, int64, int64, int64, int64), **_OPTIONS)
def _walk(u, v, w, step_u, step_v, step_w, last):
    """The part of 0 to last where no value is negative."""
    first = 0
    while first <= last and (u | v | w) < 0:
        u, v, w = u + step_u, v + step_v, w + step_w
        first += 1
    end = first
    while end <= last and (u | v | w) >= 0:
        u, v, w = u + step_u, v + step_v, w + step_w
        end += 1
    return first, end - 1


@numba.njit(void(_places, _near, _triangles, boolean, _plane, _seen), **_OPTIONS)
def draw(places, near, triangles, cull, nearest, seen):
    """Put each triangle's number in seen (H, W) where its 1 / z is above that in nearest (H, W)."""
    height, width = seen.shape
    for f in range(len(triangles)):
        i, j, k = triangles[f]
        near_i, near_j, near_k = near[i], near[j], near[k]
        if near_i == 0 or near_j == 0 or near_k == 0:
            continue
        xi, yi = places[i]
        xj, yj = places[j]
        xk, yk = places[k]
        area = (xj - xi) * (yk - yi) - (yj - yi) * (xk - xi)
        if area == 0 or (cull and area > 0):
            continue
        if area < 0:
            area, xj, yj, near_j, xk, yk, near_k = -area, xk, yk, near_k, xj, yj, near_j
        left = max((min(xi, xj, xk) + _HALF - 1) >> _SHIFT, 0)
        top = max((min(yi, yj, yk) + _HALF - 1) >> _SHIFT, 0)
        last = min((max(xi, xj, xk) - _HALF) >> _SHIFT, width - 1) - left
        bottom = min((max(yi, yj, yk) - _HALF) >> _SHIFT, height - 1)
        if last < 0 or top > bottom:
            continue
        # u, v and w are the edge functions opposite of i, j and k; their sum is the area
        x, y = left * SUBPIXELS + _HALF, top * SUBPIXELS + _HALF
        xu, yu, xv, yv, xw, yw = xk - xj, yk - yj, xi - xk, yi - yk, xj - xi, yj - yi
        u, least_u = xu * (y - yj) - yu * (x - xj), _least(xu, yu)
        v, least_v = xv * (y - yk) - yv * (x - xk), _least(xv, yv)
        w, least_w = xw * (y - yi) - yw * (x - xi), _least(xw, yw)
        step_u, step_v, step_w = -yu * SUBPIXELS, -yv * SUBPIXELS, -yw * SUBPIXELS
        by_u, by_v, by_w = near_i / area, near_j / area, near_k / area
        slope = step_u * by_u + step_v * by_v + step_w * by_w
        for row in range(top, bottom + 1):
            if last < _WIDE:
                first, end = _walk(u - least_u, v - least_v, w - least_w, step_u, step_v, step_w, last)
            else:
                first, end = _narrow(u - least_u, step_u, 0, last)
                first, end = _narrow(v - least_v, step_v, first, end)
                first, end = _narrow(w - least_w, step_w, first, end)
            if first <= end:
                start = (
                    (u + first * step_u) * by_u + (v + first * step_v) * by_v + (w + first * step_w) * by_w
                )
                for n in range(end - first + 1):
                    here = float32(start + n * slope)
                    column = left + first + n
                    if here > nearest[row, column]:
                        nearest[row, column] = here
                        seen[row, column] = f
            u, v, w = u + xu * SUBPIXELS, v + xv * SUBPIXELS, w + xw * SUBPIXELS


@numba.njit(void(_places, _near, _triangles, _seen, _layers, _plane), **_OPTIONS)
def weigh(places, near, triangles, seen, weights, depth):
    """The weights (H, W, 3) of the corners of the triangles seen, and the depth (H, W)."""
    height, width = seen.shape
    for row in range(height):
        y = row * SUBPIXELS + _HALF
        for column in range(width):
            f = seen[row, column]
            if f < 0:
                weights[row, column, 0] = weights[row, column, 1] = weights[row, column, 2] = 0
                depth[row, column] = np.inf
                continue
            x = column * SUBPIXELS + _HALF
            i, j, k = triangles[uint32(f)]
            xi, yi = places[i, 0] - x, places[i, 1] - y
            xj, yj = places[j, 0] - x, places[j, 1] - y
            xk, yk = places[k, 0] - x, places[k, 1] - y
            u, v, w = xj * yk - yj * xk, xk * yi - yk * xi, xi * yj - yi * xj
            part_i, part_j, part_k = u * near[i], v * near[j], w * near[k]
            inverse = 1 / (part_i + part_j + part_k)
            weights[row, column, 0] = part_i * inverse
            weights[row, column, 1] = part_j * inverse
            weights[row, column, 2] = part_k * inverse
            depth[row, column] = (u + v + w) * inverse


@numba.njit(void(_seen_before, _weights, _triangles, _points, _layers), **_OPTIONS)
def interpolate(seen, weights, triangles, attributes, picture):
    """picture (H, W, C): the weighted sum of the attributes (V, C) of the corners of the triangles seen."""
    height, width, channels = picture.shape
    for row in range(height):
        for column in range(width):
            f = seen[row, column]
            if f < 0:
                for c in range(channels):
                    picture[row, column, c] = 0
                continue
            i, j, k = triangles[uint32(f)]
            u, v, w = weights[row, column]
            for c in range(channels):
                picture[row, column, c] = u * attributes[i, c] + v * attributes[j, c] + w * attributes[k, c]
