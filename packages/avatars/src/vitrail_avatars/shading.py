"""The light that leaves each pixel: skin, eyes, teeth and hair under an environment and one lamp. numba, one pass.

Colours are linear. Formulas are the usual ones of real-time rendering, chosen by how pictures look: Lambert with a lamp
that wraps around skin, redder the farther; Blinn-Phong with Schlick's Fresnel; Kajiya and Kay's strands for hair.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

SKIN, LEFT_EYE, RIGHT_EYE, UPPER_TEETH, LOWER_TEETH, TONGUE = range(6)
IRIS, PUPIL = 0.36, 0.14
"""Half-angles on the eyeball, radians; the ball of the data is larger than a real one."""

jit = numba.njit(cache=True, fastmath=True, nogil=True)


class Surface(NamedTuple):
    """What the head's points carry. normals: (V, 3). world: (V, 3). place: (V, 3), on the mean head. local: (V, 3),
    direction on an eyeball. occlusion: (V,), how much of the surroundings is hidden, 0 to 1. atlas: (T, 2)."""

    normals: np.ndarray
    world: np.ndarray
    place: np.ndarray
    local: np.ndarray
    occlusion: np.ndarray
    atlas: np.ndarray


class Lamp(NamedTuple):
    """environment: (9, 3). key: (3,), of length 1. colour: (3,). eye: (3,), where the camera is."""

    environment: np.ndarray
    key: np.ndarray
    colour: np.ndarray
    eye: np.ndarray


class Shadow(NamedTuple):
    """What the lamp sees. depth: (N, N). frame: (3, 3), rows across, down and away. middle: (3,). scale: pixels of an
    eye distance. softness: pixels."""

    depth: np.ndarray
    frame: np.ndarray
    middle: np.ndarray
    scale: float
    softness: float


@jit
def step(low, high, x):
    t = (x - low) / (high - low)
    t = 0.0 if t < 0.0 else (1.0 if t > 1.0 else t)
    return t * t * (3.0 - 2.0 * t)


@jit
def unit(x, y, z):
    length = np.sqrt(x * x + y * y + z * z) + 1e-12
    return x / length, y / length, z / length


@jit
def around(environment, x, y, z, channel):
    """What arrives at a surface with this normal; see `light.irradiance`."""
    e = environment
    value = (
        0.282095 * e[0, channel]
        + 0.488603 * (y * e[1, channel] + z * e[2, channel] + x * e[3, channel])
        + 1.092548 * (x * y * e[4, channel] + y * z * e[5, channel] + x * z * e[7, channel])
        + 0.315392 * (3.0 * z * z - 1.0) * e[6, channel]
        + 0.546274 * (x * x - y * y) * e[8, channel]
    )
    return max(value, 0.0)


@jit
def lit(shadow, x, y, z, bias):
    """How much of the lamp arrives at a place, 0 to 1."""
    f, size = shadow.frame, shadow.depth.shape[0]
    dx, dy, dz = x - shadow.middle[0], y - shadow.middle[1], z - shadow.middle[2]
    across = (f[0, 0] * dx + f[0, 1] * dy + f[0, 2] * dz) * shadow.scale + size / 2
    down = (f[1, 0] * dx + f[1, 1] * dy + f[1, 2] * dz) * shadow.scale + size / 2
    away = f[2, 0] * dx + f[2, 1] * dy + f[2, 2] * dz - bias
    total = 0.0
    for i in range(-1, 2):
        for j in range(-1, 2):
            column = int(across + (i + 0.3 * j) * shadow.softness)
            row = int(down + (j - 0.3 * i) * shadow.softness)
            inside = 0 <= column < size and 0 <= row < size
            if not inside or away < shadow.depth[row, column]:
                total += 1.0
    return total / 9.0


@jit
def bilinear(image, across, down, channel):
    size = image.shape[0]
    x = min(max(across * size - 0.5, 0.0), size - 1.001)
    y = min(max(down * size - 0.5, 0.0), size - 1.001)
    left, top = int(x), int(y)
    fx, fy = x - left, y - top
    upper = image[top, left, channel] * (1 - fx) + image[top, left + 1, channel] * fx
    lower = image[top + 1, left, channel] * (1 - fx) + image[top + 1, left + 1, channel] * fx
    return upper * (1 - fy) + lower * fy


@jit
def mean3(values, a, b, c, u, v, w, channel):
    return u * values[a, channel] + v * values[b, channel] + w * values[c, channel]


@jit
def shade_head(
    triangle,
    weights,
    triangles,
    atlas_triangles,
    parts,
    surface,
    skin,
    iris,
    lamp,
    shadow,
    samples,
    out,
    cover,
):
    """Adds the head's light to `out`, (H, W, 3), and the share of a pixel that it covers to `cover`, (H, W).

    triangle: (samples * H, samples * W), -1 where nothing of the head is seen. skin: (S, S, 4), colour and gloss on the
    atlas.
    """
    part_of_pixel = 1.0 / (samples * samples)
    colour = np.empty(3)
    key, eye = lamp.key, lamp.eye
    for row in range(triangle.shape[0]):
        for column in range(triangle.shape[1]):
            t = triangle[row, column]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            u, v, w = weights[row, column, 0], weights[row, column, 1], weights[row, column, 2]
            nx, ny, nz = unit(
                mean3(surface.normals, a, b, c, u, v, w, 0),
                mean3(surface.normals, a, b, c, u, v, w, 1),
                mean3(surface.normals, a, b, c, u, v, w, 2),
            )
            x = mean3(surface.world, a, b, c, u, v, w, 0)
            y = mean3(surface.world, a, b, c, u, v, w, 1)
            z = mean3(surface.world, a, b, c, u, v, w, 2)
            hidden = u * surface.occlusion[a] + v * surface.occlusion[b] + w * surface.occlusion[c]
            open_sky = max(1.0 - hidden, 0.0)
            vx, vy, vz = unit(eye[0] - x, eye[1] - y, eye[2] - z)
            hx, hy, hz = unit(vx + key[0], vy + key[1], vz + key[2])
            straight = nx * key[0] + ny * key[1] + nz * key[2]
            half = max(nx * hx + ny * hy + nz * hz, 0.0)
            dark = lit(shadow, x + 0.03 * nx, y + 0.03 * ny, z + 0.03 * nz, 0.035)
            kind = parts[t]
            if kind == SKIN:
                i, j, k = atlas_triangles[t, 0], atlas_triangles[t, 1], atlas_triangles[t, 2]
                s = mean3(surface.atlas, i, j, k, u, v, w, 0)
                d = mean3(surface.atlas, i, j, k, u, v, w, 1)
                gloss = bilinear(skin, s, d, 3)
                facing = max(nx * vx + ny * vy + nz * vz, 0.02)
                toward = min(max(hx * vx + hy * vy + hz * vz, 0.0), 1.0)
                fresnel = 0.028 + 0.972 * (1.0 - toward) ** 5
                sharp = 14.0 + 26.0 * gloss
                shine = (sharp + 2.0) / 8.0 * half**sharp * fresnel * max(straight, 0.0) * dark * gloss * 1.5
                rim = 0.15 * (0.028 + 0.5 * (1.0 - facing) ** 5)
                for channel in range(3):
                    wrap = 0.28 if channel == 0 else (0.12 if channel == 1 else 0.08)
                    direct = max((straight + wrap) / (1.0 + wrap), 0.0) ** 1.2
                    direct *= dark ** (0.75 if channel == 0 else 1.0) * (0.35 + 0.65 * open_sky)
                    # What is hidden from the sky is lit by skin nearby, which is red.
                    sky = open_sky ** (0.8 if channel == 0 else 1.05)
                    environment = around(lamp.environment, nx, ny, nz, channel) * sky
                    colour[channel] = bilinear(skin, s, d, channel) * (
                        environment + direct * lamp.colour[channel]
                    )
                    colour[channel] += (shine * lamp.colour[channel] + rim * environment) * open_sky
            elif kind in (LEFT_EYE, RIGHT_EYE):
                lx, ly, lz = unit(
                    mean3(surface.local, a, b, c, u, v, w, 0),
                    mean3(surface.local, a, b, c, u, v, w, 1),
                    mean3(surface.local, a, b, c, u, v, w, 2),
                )
                angle, turn = np.arccos(min(max(lz, -1.0), 1.0)), np.arctan2(ly, lx)
                fibres = 0.75 + 0.25 * np.sin(turn * 23 + 3 * np.sin(turn * 7)) * np.sin(turn * 41 + 1.7)
                inner = 1.0 - step(PUPIL + 0.02, PUPIL + 0.09, angle)
                tone = (
                    (0.55 + 0.75 * fibres) * (1.0 - 0.75 * step(IRIS - 0.1, IRIS, angle)) * (1 + 0.5 * inner)
                )
                is_iris = 1.0 - step(IRIS - 0.025, IRIS + 0.025, angle)
                is_pupil = 1.0 - step(PUPIL - 0.025, PUPIL + 0.025, angle)
                mean_y, side = (
                    mean3(surface.place, a, b, c, u, v, w, 1),
                    mean3(surface.place, a, b, c, u, v, w, 0),
                )
                from_middle = abs(side) - 0.5
                under = 0.05 - 1.9 * from_middle * from_middle - mean_y  # the upper lid's margin
                shade = 0.3 + 0.7 * step(-0.03, 0.1, under)
                shade *= 0.45 + 0.55 * (1.0 - step(0.1, 0.23, abs(from_middle)))
                mirror = 2.0 * (nx * vx + ny * vy + nz * vz)
                mx, my, mz = mirror * nx - vx, mirror * ny - vy, mirror * nz - vz
                glint = half**900 * 2.2 * dark
                for channel in range(3):
                    white = (0.62 if channel == 0 else (0.55 if channel == 1 else 0.52)) - (
                        0.04 if channel == 0 else 0.12
                    ) * step(0.5, 1.0, abs(lx))
                    ball = white + (iris[channel] * tone - white) * is_iris
                    ball = ball * (1.0 - is_pupil) + 0.004
                    light = (
                        around(lamp.environment, nx, ny, nz, channel)
                        + max(straight, 0.0) * dark * lamp.colour[channel]
                    )
                    colour[channel] = ball * light * shade + glint * lamp.colour[channel]
                    colour[channel] += 0.035 * around(lamp.environment, mx, my, mz, channel)
            else:
                open_sky = min(
                    1.0, 0.08 + 5.0 * open_sky
                )  # the data's mouth opens little; teeth gleam in the dark
                for channel in range(3):
                    own = 0.72 if channel == 0 else (0.66 if channel == 1 else 0.55)
                    if kind == TONGUE:
                        own = 0.42 if channel == 0 else 0.12
                    light = around(lamp.environment, nx, ny, nz, channel) * open_sky
                    light += max(straight, 0.0) * dark * lamp.colour[channel] * open_sky
                    colour[channel] = own * light + 0.02 * half**60 * dark * lamp.colour[channel]
            h, o = row // samples, column // samples
            for channel in range(3):
                out[h, o, channel] += colour[channel] * part_of_pixel
            cover[h, o] += part_of_pixel


@jit
def shade_hair(triangle, weights, triangles, tangents, world, own, centre, lamp, shadow, samples, out, cover):
    """As `shade_head`, for strands: tangents, world, own (their colour): (P, 3), of the ribbons' corners."""
    part_of_pixel = 1.0 / (samples * samples)
    key, eye = lamp.key, lamp.eye
    for row in range(triangle.shape[0]):
        for column in range(triangle.shape[1]):
            t = triangle[row, column]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            u, v, w = weights[row, column, 0], weights[row, column, 1], weights[row, column, 2]
            tx, ty, tz = unit(
                mean3(tangents, a, b, c, u, v, w, 0),
                mean3(tangents, a, b, c, u, v, w, 1),
                mean3(tangents, a, b, c, u, v, w, 2),
            )
            x, y, z = (
                mean3(world, a, b, c, u, v, w, 0),
                mean3(world, a, b, c, u, v, w, 1),
                mean3(world, a, b, c, u, v, w, 2),
            )
            vx, vy, vz = unit(eye[0] - x, eye[1] - y, eye[2] - z)
            hx, hy, hz = unit(vx + key[0], vy + key[1], vz + key[2])
            ox, oy, oz = unit(x - centre[0], y - centre[1], z - centre[2])
            along = tx * key[0] + ty * key[1] + tz * key[2]
            gleam = tx * hx + ty * hy + tz * hz
            dark = lit(shadow, x, y, z, 0.12)
            facing = min(max(0.35 + 0.65 * (ox * key[0] + oy * key[1] + oz * key[2]), 0.0), 1.0)
            direct = 0.75 * np.sqrt(max(1.0 - along * along, 0.0)) * dark * facing
            shine = 0.16 * max(1.0 - gleam * gleam, 0.0) ** 30 * dark
            h, o = row // samples, column // samples
            for channel in range(3):
                hue = mean3(own, a, b, c, u, v, w, channel)
                light = 0.8 * around(lamp.environment, ox, oy, oz, channel) + direct * lamp.colour[channel]
                value = hue * light + shine * lamp.colour[channel] * np.sqrt(hue + 0.01)
                out[h, o, channel] += value * part_of_pixel
            cover[h, o] += part_of_pixel


@jit
def shade_thing(triangle, weights, triangles, normals, world, own, lamp, shadow, samples, out, cover):
    """As `shade_head`, for things of plastic or metal: normals, world, own (their colour): (P, 3)."""
    part_of_pixel = 1.0 / (samples * samples)
    key, eye = lamp.key, lamp.eye
    for row in range(triangle.shape[0]):
        for column in range(triangle.shape[1]):
            t = triangle[row, column]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            u, v, w = weights[row, column, 0], weights[row, column, 1], weights[row, column, 2]
            nx, ny, nz = unit(
                mean3(normals, a, b, c, u, v, w, 0),
                mean3(normals, a, b, c, u, v, w, 1),
                mean3(normals, a, b, c, u, v, w, 2),
            )
            x, y, z = (
                mean3(world, a, b, c, u, v, w, 0),
                mean3(world, a, b, c, u, v, w, 1),
                mean3(world, a, b, c, u, v, w, 2),
            )
            vx, vy, vz = unit(eye[0] - x, eye[1] - y, eye[2] - z)
            hx, hy, hz = unit(vx + key[0], vy + key[1], vz + key[2])
            facing = nx * vx + ny * vy + nz * vz
            side = 1.0 if facing >= 0 else -1.0  # both sides are drawn
            straight = max(side * (nx * key[0] + ny * key[1] + nz * key[2]), 0.0)
            half = max(side * (nx * hx + ny * hy + nz * hz), 0.0)
            dark = lit(shadow, x, y, z + 0.05, 0.05)
            fresnel = 0.04 + 0.96 * (1.0 - min(abs(facing), 1.0)) ** 5
            mirror = 2.0 * facing
            mx, my, mz = mirror * nx - vx, mirror * ny - vy, mirror * nz - vz
            h, o = row // samples, column // samples
            for channel in range(3):
                light = around(lamp.environment, side * nx, side * ny, side * nz, channel)
                light += straight * dark * lamp.colour[channel]
                seen = (
                    fresnel * around(lamp.environment, mx, my, mz, channel)
                    + 0.6 * half**120 * dark * lamp.colour[channel]
                )
                out[h, o, channel] += (mean3(own, a, b, c, u, v, w, channel) * light + seen) * part_of_pixel
            cover[h, o] += part_of_pixel
