"""Turning the eyes and the head."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vitrail_avatars.arkit import ARKIT
from vitrail_avatars.head import Head

LOOK_UP, LOOK_ASIDE = math.radians(25), math.radians(30)
"""How far an eye turns when eyeLookUp or eyeLookDown, and eyeLookIn or eyeLookOut, is 1."""


def rotations(angles: Tensor) -> Tensor:
    """(.., 3) pitch, yaw and roll in radians -> matrices (.., 3, 3), that take column vectors.

    Positive pitch looks up, positive yaw to the person's left, positive roll leans the head to its left. Roll is done
    first, yaw last.
    """
    pitch, yaw, roll = angles.unbind(-1)
    zero, one = torch.zeros_like(pitch), torch.ones_like(pitch)

    def matrix(*rows: tuple[Tensor, ...]) -> Tensor:
        return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)

    about_x = matrix((one, zero, zero), (zero, pitch.cos(), pitch.sin()), (zero, -pitch.sin(), pitch.cos()))
    about_y = matrix((yaw.cos(), zero, yaw.sin()), (zero, one, zero), (-yaw.sin(), zero, yaw.cos()))
    about_z = matrix((roll.cos(), roll.sin(), zero), (-roll.sin(), roll.cos(), zero), (zero, zero, one))
    return about_y @ about_x @ about_z


def gaze_of(expression: Tensor) -> Tensor:
    """Where the eyeLook values of an expression (B, 52) turn the eyes: (B, 2, 2), left and right eye, pitch and yaw."""

    def value(name: str) -> Tensor:
        return expression[:, ARKIT.index(f"eyeLook{name}")]

    left = torch.stack(
        [
            LOOK_UP * (value("UpLeft") - value("DownLeft")),
            LOOK_ASIDE * (value("OutLeft") - value("InLeft")),
        ],
        dim=1,
    )
    right = torch.stack(
        [
            LOOK_UP * (value("UpRight") - value("DownRight")),
            LOOK_ASIDE * (value("InRight") - value("OutRight")),
        ],
        dim=1,
    )
    return torch.stack([left, right], dim=1)


def turn_eyes(head: Head, vertices: Tensor, gaze: Tensor) -> Tensor:
    """vertices: (B, V + 2, 3). gaze: (B, 2, 2) radians, for the left and the right eye pitch and yaw."""
    turned = vertices.clone()
    for number, part in enumerate(("left eye", "right eye")):
        points = head.part_points(part)
        ball = vertices[:, points]
        centre = ball.mean(dim=1, keepdim=True)
        angles = torch.cat([gaze[:, number], torch.zeros_like(gaze[:, 0, :1])], dim=1)
        turned[:, points] = (ball - centre) @ rotations(angles).transpose(1, 2) + centre
    return turned


def turn_head(head: Head, vertices: Tensor, angles: Tensor) -> Tensor:
    """The head turned upon its neck; the shoulders stay. vertices: (B, V + 2, 3); angles: (B, 3), see `rotations`.

    Each point turns by its share of the angles, about a place as far up from the neck's joint to the skull's.
    """
    share = neck_share(head.mean).to(vertices)[None, :, None]
    neck, skull = vertices[:, -2:-1], vertices[:, -1:]
    pivot = neck + share * (skull - neck)
    matrices = rotations(share * angles[:, None])  # (B, V + 2, 3, 3)
    return (matrices @ (vertices - pivot)[..., None])[..., 0] + pivot


def neck_share(points: Tensor) -> Tensor:
    """How much of the head's turning points of the mean head (.., 3) take part in, (..) from 0 to 1.

    All above a plane through the chin and the nape, none below one through the pit of the throat, smoothly between.
    """
    height = (points[..., 1] + 0.386 * points[..., 2] + 3.06) / 1.25
    height = height.clamp(0, 1)
    return height * height * (3 - 2 * height)
