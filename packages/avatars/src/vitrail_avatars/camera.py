"""Where the camera stands."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Camera:
    """A camera in front of the head, looking along -z.

    distance: from the point between the eyes, in eye distances; 10 is some 60 cm. across: width of the picture at that
    distance, in the same unit; 4 shows head and shoulders. centre: x and y of what is in the middle of the picture.
    """

    distance: float = 14.0
    across: float = 4.2
    centre: tuple[float, float] = (0.0, -0.45)

    @property
    def eye(self) -> tuple[float, float, float]:
        """Where it stands: straight before what is in the middle of the picture."""
        return (*self.centre, self.distance)


def project(points: Tensor, camera: Camera, size: tuple[int, int]) -> Tensor:
    """Points (.., 3) of the world -> x and y in pixels, of a picture of size (H, W), and distance along z, (.., 3)."""
    height, width = size
    depth = camera.distance - points[..., 2]
    pixels = width / camera.across * camera.distance / depth
    x = width / 2 + (points[..., 0] - camera.centre[0]) * pixels
    y = height / 2 - (points[..., 1] - camera.centre[1]) * pixels
    return torch.stack([x, y, depth], dim=-1)
