"""Test-time augmentation: the mean of the logits of several views of one image.

The sets of views are those of the published evaluation: Vaihingen 40, Potsdam 16, LoveDA 8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from vitrail.errors import UsageError

ViewsName = Literal["none", "flips", "dihedral", "vaihingen", "potsdam", "loveda"]


class View(NamedTuple):
    """Mirror left and right, then top and bottom, then turn left by `turns` right angles, then resize by `scale`."""

    horizontal: bool = False
    vertical: bool = False
    turns: int = 0
    scale: float = 1.0


def _views(
    horizontal: Sequence[bool] = (False, True),
    vertical: Sequence[bool] = (False, True),
    turns: Sequence[int] = (0,),
    scales: Sequence[float] = (1.0,),
) -> tuple[View, ...]:
    return tuple(View(*each) for each in product(horizontal, vertical, turns, scales))


VIEWS: dict[str, tuple[View, ...]] = {
    "none": (View(),),
    "flips": _views(),
    "dihedral": _views(vertical=(False,), turns=(0, 1, 2, 3)),
    "vaihingen": _views(turns=(0, 1), scales=(0.5, 0.75, 1.0, 1.25, 1.5)),
    "potsdam": _views(scales=(0.75, 1.0, 1.25, 1.5)),
    "loveda": _views(vertical=(False,), scales=(0.75, 1.0, 1.25, 1.5)),
}
"""none: the image itself. flips: both mirrors, the papers' "lr". dihedral: all eight symmetries of a square.
vaihingen, potsdam, loveda: what the papers' "d4" is for each of them, which is mostly several sizes."""


def get_views(name: str) -> tuple[View, ...]:
    """A set of views by its name; see `VIEWS`."""
    if name not in VIEWS:
        raise UsageError(f"there is no test-time augmentation {name!r}; there are {', '.join(VIEWS)}.")
    return VIEWS[name]


@torch.no_grad()
def mean_logits(network: Callable[[Tensor], Tensor], image: Tensor, views: Sequence[View]) -> Tensor:
    """The mean over views of the network's logits, each brought back to the image's own frame and size.

    image: (B, C, H, W), normalised. network: (B, C, h, w) -> logits (B, K, h, w), any size. Returns (B, K, H, W)
    float32. Resizing is bicubic, align_corners=False, both ways; sizes are rounded down.
    """
    total = None
    for view in views:
        logits = _back(network(_seen(image, view)).float(), view, image.shape[-2:])
        total = logits if total is None else total + logits
    if total is None:
        raise UsageError("test-time augmentation was given no views; wanted is at least one.")
    return total / len(views)


def _mirror(x: Tensor, view: View) -> Tensor:
    axes = [-1] * view.horizontal + [-2] * view.vertical
    return x.flip(axes) if axes else x


def _seen(image: Tensor, view: View) -> Tensor:
    image = torch.rot90(_mirror(image, view), view.turns, (-2, -1))
    if view.scale == 1:
        return image
    return _resized(image, tuple(max(int(side * view.scale), 1) for side in image.shape[-2:]))


def _back(logits: Tensor, view: View, size: Sequence[int]) -> Tensor:
    if view.scale != 1:
        logits = _resized(logits, tuple(size[::-1] if view.turns % 2 else size))
    return _mirror(torch.rot90(logits, -view.turns, (-2, -1)), view)


def _resized(x: Tensor, size: tuple[int, ...]) -> Tensor:
    return interpolate(x, size=size, mode="bicubic", align_corners=False)
