"""Margins: what the target's cosine is lowered by before the softmax, so that classes are pushed further apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from vitrail.errors import UsageError

Gradient = Literal["true", "straight_through"]


@dataclass(frozen=True, kw_only=True)
class ArcFace:
    """An additive angular margin: scale * cos(theta + margin) with theta = acos(cosine).

    Deng et al., ArcFace, arXiv 1801.07698, eq. 3. The two forms give the same values for theta + margin <= pi:

    - "true": the derivative of that function, scale * sin(theta + margin) / sin(theta). Beyond theta + margin = pi,
      where cos would rise again, it goes on as scale * (cosine - margin * sin(pi - margin)), derivative `scale`.
    - "straight_through": the same values without that continuation, and `scale` as the derivative everywhere. It
      is what insightface's training code computes, and so what most published weights were trained with.
    """

    margin: float = 0.5
    """Angle in radians, 0 to below pi."""

    scale: float = 64.0

    gradient: Gradient = "true"

    def __post_init__(self) -> None:
        _check(self.scale, self.margin, most=math.pi)
        if self.gradient not in get_args(Gradient):
            raise UsageError(
                f"gradient is {self.gradient!r}; wanted is one of {', '.join(get_args(Gradient))}."
            )

    def __call__(self, cosine: Tensor) -> Tensor:
        """The target's logit, in float32 (float64 for float64), from its cosine, both of any shape.

        Rounding may have left a cosine a little outside -1 to 1: value and derivative stay finite.
        """
        cosine = _full_precision(cosine)
        if self.gradient == "straight_through":
            moved = torch.cos(torch.acos(cosine.detach().clamp(-1, 1)) + self.margin)
            return self.scale * (cosine + (moved - cosine.detach()))
        # Below this the derivative of the square root would grow without bound.
        smallest = torch.finfo(cosine.dtype).eps
        sine = (1 - cosine.square()).clamp_min(smallest).sqrt()
        moved = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        beyond = cosine - self.margin * math.sin(math.pi - self.margin)
        return self.scale * torch.where(cosine > math.cos(math.pi - self.margin), moved, beyond)


@dataclass(frozen=True, kw_only=True)
class CosFace:
    """An additive cosine margin: scale * (cosine - margin). Wang et al., CosFace, arXiv 1801.09414, eq. 4."""

    margin: float = 0.4
    scale: float = 64.0

    def __post_init__(self) -> None:
        _check(self.scale, self.margin, most=2.0)

    def __call__(self, cosine: Tensor) -> Tensor:
        """The target's logit, in float32 (float64 for float64), from its cosine, both of any shape."""
        return self.scale * (_full_precision(cosine) - self.margin)


Margin = ArcFace | CosFace


def _check(scale: float, margin: float, most: float) -> None:
    if not 0 < scale < math.inf:
        raise UsageError(f"scale is {scale}; wanted is a positive number, such as 64.")
    if not 0 <= margin < most:
        raise UsageError(f"margin is {margin}; wanted is a number from 0 to below {most:.4g}.")


def _full_precision(cosine: Tensor) -> Tensor:
    return cosine if cosine.dtype in (torch.float32, torch.float64) else cosine.float()
