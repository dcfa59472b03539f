"""From a person, a face and a light to a picture, with everything that is known about each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vitrail_avatars.appearance.atlas import Atlas
from vitrail_avatars.appearance.hair import Strands
from vitrail_avatars.appearance.light import Light, irradiance
from vitrail_avatars.appearance.noise import smoothstep
from vitrail_avatars.camera import Camera, project
from vitrail_avatars.head import PARTS, Head
from vitrail_avatars.kernels.raster import average, interpolate, rasterize


@dataclass(frozen=True)
class Look:
    """What a person's surface is painted with.

    skin: (S, S, 3) linear RGB on the atlas. gloss: (S, S). iris: linear RGB. strands: hair, or None.
    """

    skin: np.ndarray
    gloss: np.ndarray
    iris: np.ndarray
    strands: Strands | None


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Unit normals (B, V, 3), weighed by area."""
    a, b, c = (vertices[:, triangles[:, i]] for i in range(3))
    normal = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total.index_add_(1, triangles[:, corner], normal)
    return torch.nn.functional.normalize(total, dim=2)


def ribbons(strands: Strands, points: Tensor, camera: Camera, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Strands as ribbons that face the camera: corners (1, 2 * S * K, 3) in pixels and triangles (.., 3).

    points: (S, K, 3), where the strands' points are now.
    """
    seen = project(points, camera, size)
    along = torch.nn.functional.pad(seen[:, 1:, :2] - seen[:, :-1, :2], (0, 0, 0, 1))
    along[:, -1] = along[:, -2]
    across = torch.nn.functional.normalize(torch.stack([-along[..., 1], along[..., 0]], dim=2), dim=2)
    count, steps = seen.shape[:2]
    thin = torch.linspace(1, 0.35, steps)[None] * torch.from_numpy(strands.width)[:, None] / 2
    half = thin * (size[1] / camera.across * camera.distance) / seen[..., 2]
    move = torch.cat([across * half.clamp_min(0.35)[..., None], torch.zeros(count, steps, 1)], dim=2)
    corners = torch.stack([seen - move, seen + move], dim=2).reshape(1, -1, 3)
    first = (torch.arange(count)[:, None] * steps + torch.arange(steps - 1)[None]).reshape(-1) * 2
    triangles = torch.cat(
        [torch.stack([first, first + 1, first + 2], 1), torch.stack([first + 1, first + 3, first + 2], 1)]
    )
    return corners, triangles


def picture(
    head: Head, atlas: Atlas, look: Look, vertices: Tensor, strand_points: Tensor | None, light: Light,
    camera: Camera, size: int, background: np.ndarray, samples: int = 2,
) -> np.ndarray:  # fmt: skip
    """Linear RGB (size, size, 3). vertices: (V, 3)."""
    wide = (size * samples, size * samples)
    seen = rasterize(project(vertices, camera, wide)[None], head.triangles, wide)
    normals = vertex_normals(vertices[None], head.triangles)
    local = _eye_directions(head)
    carried = torch.cat([normals, head.mean[None, : head.points], vertices[None], local[None]], dim=2)
    values = interpolate(seen, head.triangles, carried)[0].numpy()
    places = interpolate(seen, atlas.triangles, atlas.points)[0].numpy()
    triangle = seen.triangle[0].numpy()
    drawn = triangle >= 0
    part = np.where(drawn, head.parts.numpy()[triangle], -1)
    out = np.repeat(np.repeat(background, samples, 0), samples, 1).astype(np.float32)
    shadow = _shadow(vertices, strand_points, look.strands, head, light)
    at = values[drawn]
    normal = at[:, :3] / np.linalg.norm(at[:, :3], axis=1, keepdims=True)
    dark = shadow(at[:, 6:9], normal)
    colour = np.zeros((len(at), 3), np.float32)
    kind = part[drawn]
    for name, shade in (("skin", _skin), ("eye", _eye), ("teeth", _teeth)):
        mine = np.isin(
            kind, [i for i, p in enumerate(PARTS) if name in p or (name == "teeth" and p == "tongue")]
        )
        if mine.any():
            colour[mine] = shade(
                look,
                light,
                camera,
                atlas,
                normal[mine],
                at[mine],
                places[drawn][mine],
                dark[mine],
                kind[mine],
            )
    out[drawn] = colour
    if look.strands is not None and strand_points is not None:
        corners, triangles = ribbons(look.strands, strand_points, camera, wide)
        strands = rasterize(corners, triangles, wide, cull=False)
        nearer = strands.depth[0] < seen.depth[0]
        tangent = torch.nn.functional.pad(strand_points[:, 1:] - strand_points[:, :-1], (0, 0, 0, 1))
        tangent[:, -1] = tangent[:, -2]
        tangent = torch.nn.functional.normalize(tangent, dim=2)
        own = torch.from_numpy(look.strands.colour)[:, None] * torch.from_numpy(look.strands.shade)[..., None]
        twice = torch.cat([tangent, strand_points, own], dim=2).repeat_interleave(2, dim=1).reshape(-1, 9)
        hair = interpolate(strands, triangles, twice)[0].numpy()[nearer.numpy()]
        out[nearer.numpy()] = _hair(hair, light, camera, shadow)
    return average(torch.from_numpy(out)[None], samples)[0].numpy()


def _view(at: np.ndarray, camera: Camera) -> np.ndarray:
    eye = np.array([0, 0, camera.distance], np.float32)
    view = eye - at
    return view / np.linalg.norm(view, axis=1, keepdims=True)


def _skin(look, light, camera, atlas, normal, at, places, dark, kind):
    size = len(look.skin)
    x = places[:, 0] * size - 0.5
    y = places[:, 1] * size - 0.5
    albedo, gloss = _sample(look.skin, x, y), _sample(look.gloss[..., None], x, y)[:, 0]
    straight = normal @ light.key
    # Light that enters the skin comes out beside where it entered, red the farthest: shadows' edges are red.
    wrap = np.array([0.28, 0.12, 0.08], np.float32)
    lit = np.clip((straight[:, None] + wrap) / (1 + wrap), 0, None) ** 1.2
    lit = lit * dark[:, None] ** np.array([0.75, 1.0, 1.1])
    inside = smoothstep(0.44, 0.36, at[:, 5]) * (np.hypot(at[:, 3] / 0.42, (at[:, 4] + 1.17) / 0.3) < 1)
    occluded = 1 - 0.85 * inside
    view = _view(at[:, 6:9], camera)
    half = view + light.key
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    facing = np.clip((normal * view).sum(1), 0.02, 1)
    fresnel = 0.028 + 0.97 * (1 - np.clip((half * view).sum(1), 0, 1)) ** 5
    sharp = 18 + 30 * gloss
    shine = (
        (sharp + 2) / 8 * np.clip((normal * half).sum(1), 0, 1) ** sharp * fresnel * np.clip(straight, 0, 1)
    )
    rim = 0.25 * (0.028 + 0.4 * (1 - facing) ** 5)
    around = irradiance(normal, light.environment) * occluded[:, None]
    colour = albedo * (around + lit * light.colour * occluded[:, None])
    return colour + (gloss * shine * dark)[:, None] * light.colour * 1.6 + rim[:, None] * around * 0.6


def _eye(look, light, camera, atlas, normal, at, places, dark, kind):
    local = at[:, 9:12] / np.maximum(np.linalg.norm(at[:, 9:12], axis=1, keepdims=True), 1e-6)
    angle = np.arccos(np.clip(local[:, 2], -1, 1))
    turn = np.arctan2(local[:, 1], local[:, 0])
    iris, pupil = 0.36, 0.14
    fibres = 0.75 + 0.25 * np.sin(turn * 23 + 3 * np.sin(turn * 7)) * np.sin(turn * 41 + 1.7)
    ring = smoothstep(iris - 0.10, iris, angle)
    coloured = look.iris * (0.55 + 0.75 * fibres)[:, None] * (1 - 0.75 * ring)[:, None]
    inner = smoothstep(pupil + 0.09, pupil + 0.02, angle)[:, None]
    coloured = coloured * (1 + 0.5 * inner)
    white = np.array([0.78, 0.71, 0.67]) - 0.12 * smoothstep(0.5, 1.0, np.abs(local[:, :1])) * np.array(
        [0.3, 1, 1]
    )
    colour = white + (coloured - white) * smoothstep(iris + 0.025, iris - 0.025, angle)[:, None]
    colour = colour * (1 - smoothstep(pupil + 0.025, pupil - 0.025, angle))[:, None] + 0.004
    lids = 0.45 + 0.55 * smoothstep(0.16, -0.06, at[:, 4])  # the upper lid's shade
    edge = smoothstep(0.42, 0.25, np.abs(np.abs(at[:, 3]) - 0.5))
    shade = (lids * (0.5 + 0.5 * edge))[:, None]
    lit = np.clip(normal @ light.key, 0, None)[:, None] * light.colour * dark[:, None]
    out = colour * (irradiance(normal, light.environment) + lit) * shade
    view = _view(at[:, 6:9], camera)
    half = view + light.key
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    glint = np.clip((normal * half).sum(1), 0, 1) ** 900
    mirrored = 2 * (normal * view).sum(1, keepdims=True) * normal - view
    return (
        out + (glint * 2.2 * dark)[:, None] * light.colour + 0.035 * irradiance(mirrored, light.environment)
    )


def _teeth(look, light, camera, atlas, normal, at, places, dark, kind):
    tongue = (kind == PARTS.index("tongue"))[:, None]
    colour = np.where(tongue, np.array([0.42, 0.12, 0.11]), np.array([0.72, 0.66, 0.55]))
    deep = smoothstep(-0.05, 0.42, at[:, 5])[:, None]
    lit = np.clip(normal @ light.key, 0, None)[:, None] * light.colour * dark[:, None]
    return colour * (irradiance(normal, light.environment) + lit) * (0.12 + 0.6 * deep)


def _hair(values: np.ndarray, light: Light, camera: Camera, shadow) -> np.ndarray:
    tangent = values[:, :3] / np.maximum(np.linalg.norm(values[:, :3], axis=1, keepdims=True), 1e-6)
    view = _view(values[:, 3:6], camera)
    dark = shadow(values[:, 3:6], None)
    along = tangent @ light.key
    diffuse = np.sqrt(np.clip(1 - along**2, 0, 1))
    half = view + light.key
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    shine = np.clip(1 - (tangent * half).sum(1) ** 2, 0, 1) ** 40
    away = values[:, 3:6] - np.array([0, 0.1, -0.75], np.float32)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    around = irradiance(away, light.environment)
    own = values[:, 6:9]
    lit = (0.75 * diffuse * dark * np.clip(0.35 + 0.65 * (away @ light.key), 0, 1))[:, None] * light.colour
    sheen = (0.10 * shine * dark)[:, None] * light.colour * np.sqrt(own + 0.01)
    return own * (0.8 * around + lit) + sheen


def _sample(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear. image: (S, S, C); x, y: pixels."""
    limit = len(image) - 1
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    a, b = np.clip(left, 0, limit), np.clip(left + 1, 0, limit)
    c, d = np.clip(top, 0, limit), np.clip(top + 1, 0, limit)
    return (image[c, a] * (1 - fx) + image[c, b] * fx) * (1 - fy) + (
        image[d, a] * (1 - fx) + image[d, b] * fx
    ) * fy


def _eye_directions(head: Head) -> Tensor:
    """For points of the eyes, where on the ball they are, as a direction from its centre when it looks ahead."""
    local = torch.zeros(head.points, 3)
    for part in ("left eye", "right eye"):
        points = head.part_points(part)
        ball = head.mean[points]
        local[points] = torch.nn.functional.normalize(ball - ball.mean(dim=0), dim=1)
    return local


def _shadow(
    vertices: Tensor, strand_points: Tensor | None, strands: Strands | None, head: Head, light: Light
):
    """A function of places (n, 3) and normals (n, 3) or None -> how much of the lamp arrives, (n,) 0 to 1."""
    key = light.key / np.linalg.norm(light.key)
    side = np.cross([0, 1, 0], key)
    side /= np.linalg.norm(side)
    up = np.cross(key, side)
    frame = torch.from_numpy(np.stack([side, -up, -key]).astype(np.float32))
    size, span = 256, 7.0
    middle = torch.tensor([0.0, -0.8, -0.7])

    def seen(points: Tensor) -> Tensor:
        there = (points - middle) @ frame.T
        return torch.stack(
            [
                there[..., 0] / span * size + size / 2,
                there[..., 1] / span * size + size / 2,
                there[..., 2] + 20,
            ],
            -1,
        )

    # Far away, depth is nearly linear in the picture, so the perspective of the rasteriser does no harm here.
    depth = rasterize(seen(vertices)[None], head.triangles, (size, size)).depth[0]
    if strands is not None and strand_points is not None:
        camera = Camera()
        corners, triangles = ribbons(strands, strand_points, camera, (size, size))
        flat = seen(strand_points)
        move = torch.tensor([0.6, 0.0, 0.0])
        corners = torch.stack([flat - move, flat + move], dim=2).reshape(1, -1, 3)
        depth = torch.minimum(depth, rasterize(corners, triangles, (size, size), cull=False).depth[0])
    table = depth.numpy()

    def lit(at: np.ndarray, normal: np.ndarray | None) -> np.ndarray:
        moved = at if normal is None else at + 0.03 * normal
        here = seen(torch.from_numpy(np.ascontiguousarray(moved))).numpy()
        bias = 0.12 if normal is None else 0.035
        total = np.zeros(len(at), np.float32)
        spread = max(1.0, light.softness / span * size / 2)
        offsets = [
            (0, 0),
            (1, 0.3),
            (-0.3, 1),
            (-1, -0.3),
            (0.3, -1),
            (1.6, 1.6),
            (-1.6, 1.6),
            (-1.6, -1.6),
            (1.6, -1.6),
        ]
        for dx, dy in offsets:
            x = np.clip((here[:, 0] + dx * spread).astype(int), 0, size - 1)
            y = np.clip((here[:, 1] + dy * spread).astype(int), 0, size - 1)
            total += here[:, 2] - bias < table[y, x]
        return total / len(offsets)

    return lit
