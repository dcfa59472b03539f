"""From a person, a face and a light to a picture, with what is known about each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from vitrail_avatars.appearance.atlas import Atlas
from vitrail_avatars.appearance.colours import to_srgb
from vitrail_avatars.appearance.glasses import Mesh
from vitrail_avatars.appearance.hair import CENTRE
from vitrail_avatars.appearance.light import Light
from vitrail_avatars.appearance.strands import Strands
from vitrail_avatars.arkit import ARKIT
from vitrail_avatars.camera import Camera, project
from vitrail_avatars.head import PARTS, Head
from vitrail_avatars.kernels.raster import Fragments, rasterize
from vitrail_avatars.landmarks import landmarks_5, landmarks_68
from vitrail_avatars.mesh import vertex_normals
from vitrail_avatars.pose import gaze_of, neck_share, rotations, turn_eyes, turn_head
from vitrail_avatars.ribbons import ribbon_corners, ribbon_triangles, tangents
from vitrail_avatars.shading import Lamp, Shadow, Surface, shade_hair, shade_head, shade_thing

BACKGROUND, HAIR, GLASSES = 0, len(PARTS) + 1, len(PARTS) + 2
REST = -0.08
"""Pitch of the balls of eyes that look ahead: the data's lids lie lower about the iris than people's do. Radians."""

SHADOW_MAP, SHADOW_SPAN = 256, 7.0  # pixels, and eye distances that they cover
SHADOW_MIDDLE = (0.0, -0.8, -0.7)


@dataclass(frozen=True)
class Look:
    """What a person's surface is painted with.

    skin: (S, S, 4) float32 on the atlas, linear RGB and gloss. iris: (3,), linear RGB. strands: hair, or None. glasses:
    what is worn on the neutral face, or None.
    """

    skin: np.ndarray
    iris: np.ndarray
    strands: Strands | None
    glasses: Mesh | None = None


@dataclass(frozen=True)
class Shot:
    """What the face does and how it is seen.

    expression: (52,), ARKit's units. angles: (3,) pitch, yaw and roll of the head, radians. gaze: (2, 2), pitch and yaw
    of the left and the right eye, added to what the eyeLook units say. background: (H, W, 3), linear RGB.
    """

    expression: np.ndarray
    angles: np.ndarray
    gaze: np.ndarray
    light: Light
    camera: Camera
    background: np.ndarray


@dataclass(frozen=True)
class Picture:
    """rgb: (H, W, 3) uint8, sRGB. mask: (H, W) float32, how much of a pixel is person. parts: (H, W) uint8, 0 for the
    background, 1 to 6 for `PARTS`, 7 for hair, 8 for glasses. landmarks_68: (68, 2) and landmarks_5: (5, 2), x and y in
    pixels."""

    rgb: np.ndarray
    mask: np.ndarray
    parts: np.ndarray
    landmarks_68: np.ndarray
    landmarks_5: np.ndarray


def posed(head: Head, neutral: Tensor, shot: Shot) -> tuple[Tensor, Tensor]:
    """The head's points (V, 3) in a shot, and before its head is turned. neutral: (1, V + 2, 3), the person's."""
    expression = torch.from_numpy(shot.expression)[None].float()
    gaze = gaze_of(expression) + torch.from_numpy(shot.gaze)[None].float()
    gaze[..., 0] += REST
    moved = turn_eyes(head, head.expressed(neutral, expression), gaze)
    turned = turn_head(head, moved, torch.from_numpy(shot.angles)[None].float())
    return turned[0, : head.points].contiguous(), moved[0, : head.points]


def posed_strands(head: Head, neutral: Tensor, moved: Tensor, strands: Strands, angles: np.ndarray) -> Tensor:
    """Strands (S, K, 3) that went along with their roots. moved: (V, 3), the face before the head is turned."""
    corners = head.triangles[torch.from_numpy(strands.triangle)]
    by = (moved - neutral[0, : head.points])[corners]
    points = (
        torch.from_numpy(strands.points) + (torch.from_numpy(strands.weights)[..., None] * by).sum(1)[:, None]
    )
    share = neck_share(points)[..., None]
    pivot = neutral[0, -2] + share * (neutral[0, -1] - neutral[0, -2])
    matrices = rotations(share * torch.from_numpy(angles).float())
    return ((matrices @ (points - pivot)[..., None])[..., 0] + pivot).contiguous()


def render(
    head: Head, atlas: Atlas, neutral: Tensor, look: Look, shot: Shot, size: int, *, samples: int = 2
) -> Picture:
    """A picture of size x size pixels, each the mean of samples x samples."""
    vertices, moved = posed(head, neutral, shot)
    wide = (size * samples, size * samples)
    seen = rasterize(project(vertices, shot.camera, wide)[None], head.triangles, wide)
    strands = None
    if look.strands is not None:
        strands = posed_strands(head, neutral, moved, look.strands, shot.angles)
    shadow = _shadow(head, vertices, strands, shot.light)
    lamp = Lamp(
        shot.light.environment.astype(np.float64),
        shot.light.key.astype(np.float64),
        shot.light.colour.astype(np.float64),
        np.array(shot.camera.eye),
    )
    out, cover = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.float32)
    triangle, depth = seen.triangle[0].numpy(), seen.depth[0].numpy()
    parts = np.zeros(wide, np.uint8)
    parts[triangle >= 0] = head.parts.numpy()[triangle[triangle >= 0]] + 1
    layers = []  # what is drawn before the head: its shader, and what that wants
    if look.glasses is not None:
        points, normals = worn(neutral, look.glasses, shot.angles)
        corners = project(points, shot.camera, wide)[None]
        things = rasterize(corners, torch.from_numpy(look.glasses.triangles), wide, cull=False)
        layers.append(
            (
                GLASSES,
                things,
                shade_thing,
                look.glasses.triangles,
                (normals, points.numpy(), look.glasses.colours),
            )
        )
    if strands is not None and look.strands is not None:
        hair, triangles = seen_strands(look.strands, strands, shot.camera, wide)
        corners = tuple(
            _twice(x) for x in (tangents(strands).numpy(), strands.numpy(), _hair_colour(look.strands))
        )
        layers.append((HAIR, hair, shade_hair, triangles, (*corners, CENTRE.astype(np.float64))))
    for number, layer, *_ in layers:
        nearer = layer.depth[0].numpy() < depth
        parts[nearer], depth = number, np.where(nearer, layer.depth[0].numpy(), depth)
    for number, layer, shader, triangles, carried in layers:
        own = np.where(parts == number, layer.triangle[0].numpy(), -1)
        shader(own, layer.weights[0].numpy(), triangles, *carried, lamp, shadow, samples, out, cover)
    triangle = np.where(parts >= HAIR, -1, triangle)
    fixed = _fixed(head, atlas)
    jaw = min(1.0, 2 * float(shot.expression[ARKIT.index("jawOpen")]))
    surface = Surface(
        vertex_normals(vertices[None], head.triangles)[0].numpy(), vertices.numpy(), fixed["place"], fixed["local"],
        (1 - jaw) * fixed["occlusion"][0] + jaw * fixed["occlusion"][1], fixed["atlas"],
    )  # fmt: skip
    shade_head(
        triangle, seen.weights[0].numpy(), fixed["triangles"], fixed["atlas_triangles"], fixed["parts"], surface,
        look.skin, look.iris.astype(np.float64), lamp, shadow, samples, out, cover,
    )  # fmt: skip
    out += (1 - cover)[..., None] * shot.background
    at = project(vertices, shot.camera, (size, size))[None]
    eyes = project(landmarks_5(vertices[None], head), shot.camera, (size, size))
    return Picture(
        rgb=np.round(255 * to_srgb(out)).astype(np.uint8),
        mask=cover,
        parts=parts[samples // 2 :: samples, samples // 2 :: samples],
        landmarks_68=landmarks_68(at)[0, :, :2].numpy(),
        landmarks_5=eyes[0, :, :2].numpy(),
    )


def worn(neutral: Tensor, mesh: Mesh, angles: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """Points and normals of what sits on the skull, where the head is turned to."""
    matrix = rotations(torch.from_numpy(angles).float())
    skull = neutral[0, -1]
    points = (torch.from_numpy(mesh.points) - skull) @ matrix.T + skull
    return points, (torch.from_numpy(mesh.normals) @ matrix.T).numpy()


def seen_strands(
    strands: Strands, points: Tensor, camera: Camera, size: tuple[int, int]
) -> tuple[Fragments, np.ndarray]:
    seen = project(points, camera, size)
    width = torch.from_numpy(strands.width)[:, None] * torch.linspace(1, 0.35, points.shape[1])
    pixels = width * (size[1] / camera.across * camera.distance) / seen[..., 2]
    triangles = ribbon_triangles(*points.shape[:2])
    corners = ribbon_corners(seen, pixels)
    return rasterize(corners[None], triangles, size, cull=False), triangles.numpy()


def _hair_colour(strands: Strands) -> np.ndarray:
    return strands.colour[:, None] * strands.shade[..., None]


def _twice(values: np.ndarray) -> np.ndarray:
    """(S, K, 3) -> (S * K * 2, 3), for the two corners of each point."""
    return np.ascontiguousarray(np.repeat(values.reshape(-1, 3), 2, axis=0).astype(np.float32))


def _shadow(head: Head, vertices: Tensor, strands: Tensor | None, light: Light) -> Shadow:
    side = np.cross([0.0, 1.0, 0.0], light.key)
    side /= np.linalg.norm(side)
    frame = np.stack([side, -np.cross(light.key, side), -light.key])
    scale = SHADOW_MAP / SHADOW_SPAN
    size = (SHADOW_MAP, SHADOW_MAP)

    def seen(points: Tensor) -> Tensor:
        there = (points - torch.tensor(SHADOW_MIDDLE)) @ torch.from_numpy(frame.T).float()
        # So far away, depth is linear in the picture.
        return there * torch.tensor([scale, scale, 1.0]) + torch.tensor(
            [SHADOW_MAP / 2, SHADOW_MAP / 2, 1000.0]
        )

    depth = rasterize(seen(vertices)[None], head.triangles, size).depth[0]
    if strands is not None:
        corners = ribbon_corners(seen(strands), torch.full(strands.shape[:2], 1.2))
        hair = rasterize(corners[None], ribbon_triangles(*strands.shape[:2]), size, cull=False)
        depth = torch.minimum(depth, hair.depth[0])
    softness = max(1.0, light.softness * scale / 2)
    return Shadow(depth.numpy() - 1000.0, frame, np.array(SHADOW_MIDDLE), scale, softness)


@lru_cache(maxsize=2)
def _fixed(head: Head, atlas: Atlas) -> dict[str, np.ndarray]:
    """What is the same for all people."""
    local = torch.zeros(head.points, 3)
    for part in ("left eye", "right eye"):
        points = head.part_points(part)
        ball = head.mean[points]
        local[points] = torch.nn.functional.normalize(ball - ball.mean(dim=0), dim=1)
    return {
        "triangles": head.triangles.numpy(),
        "atlas_triangles": atlas.triangles.numpy(),
        "parts": head.parts.numpy(),
        "place": head.mean[: head.points].numpy(),
        "local": local.numpy(),
        "occlusion": head.occlusion.numpy() / 255,
        "atlas": atlas.points.numpy(),
    }
