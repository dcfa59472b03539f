"""Any timm network as the encoder of a segmenter: its maps at some strides.

This module needs torch and timm; install `vitrail-segmentation[train]` and timm.
"""

from __future__ import annotations

import difflib
import math
from typing import Any

import timm
import torch
from torch import Tensor, nn

from vitrail.errors import NotInstalledError, UsageError, VitrailError


def build_backbone(
    name: str, bands: int, strides: tuple[int, ...] = (4, 8, 16, 32), *, output_stride: int = 32
) -> tuple[nn.Module, tuple[int, ...]]:
    """An untrained encoder, and which of its feature maps are the last ones of these `strides`.

    output_stride: 16 or 8 dilates the last stages instead of shrinking their maps further.

    Raises UsageError for a name that timm does not know, and for a network that cannot do this.
    """
    options = {} if output_stride == 32 else {"output_stride": output_stride}
    try:
        network = _create(name, in_chans=bands, pretrained=False, **options)
    except (TypeError, NotImplementedError, AssertionError) as error:
        raise UsageError(
            f"Backbone {name} cannot be built with an output stride of {output_stride}: {_first_line(error)}"
        ) from error
    found = network.feature_info.reduction()
    if not set(strides) <= set(found):
        wanted = ", ".join(map(str, strides[:-1])) + f" and {strides[-1]}"
        raise UsageError(
            f"Backbone {name} gives features at strides {', '.join(map(str, found))}; wanted is a network with "
            f"strides {wanted}, such as resnet18 or convnext_atto."
        )
    last = {stride: index for index, stride in enumerate(found)}
    return network, tuple(last[stride] for stride in strides)


def backbone_channels(network: nn.Module, taps: tuple[int, ...]) -> tuple[int, ...]:
    """Channels of those maps."""
    channels = network.feature_info.channels()
    return tuple(channels[tap] for tap in taps)


def features(network: nn.Module, taps: tuple[int, ...], image: Tensor) -> list[Tensor]:
    """(B, bands, H, W) -> the chosen maps, (B, C, H / stride, W / stride) each."""
    maps = network(image)
    chosen = [maps[tap] for tap in taps]
    if str(getattr(network, "output_fmt", "NCHW")).endswith("NHWC"):
        chosen = [x.permute(0, 3, 1, 2).contiguous() for x in chosen]
    return chosen


def size_multiple(network: nn.Module, taps: tuple[int, ...], bands: int) -> int:
    """What the sides of an image have to be multiples of, so that its maps reach its lower and right edge.

    1 where every layer that shrinks also pads, as in a ResNet. Where images are cut into patches, what is left over is
    lost, and some networks join maps that fit for certain sizes only: it is their largest stride then. Found by
    trying; `network` is new, in training mode, and stays so.

    Raises UsageError for a network that takes images of one size only.
    """
    reductions = network.feature_info.reduction()
    most = max(reductions)
    for side, multiple in ((2 * most + 1, 1), (2 * most, most)):
        wanted = [math.ceil(side / reductions[tap]) for tap in taps]
        if _map_sides(network, taps, torch.zeros(1, bands, side, side)) == wanted:
            return multiple
    raise UsageError(
        f"The backbone cannot take images of {2 * most}x{2 * most}; wanted is one for images of any size, such as "
        "resnet18 or convnext_atto."
    )


@torch.no_grad()
def _map_sides(network: nn.Module, taps: tuple[int, ...], image: Tensor) -> list[int]:
    """Widths of the maps of `image`; none where the network fails on it."""
    try:
        return [x.shape[-1] for x in features(network.eval(), taps, image)]
    except (AssertionError, RuntimeError, ValueError):
        return []
    finally:
        network.train()


def load_pretrained_backbone(network: nn.Module, name: str, bands: int) -> None:
    """Fetch timm's weights `name` and put them into `network`; the first layer is adapted to `bands`.

    Only training calls this. Raises NotInstalledError when the weights cannot be fetched.
    """
    try:
        source = _create(name, in_chans=bands, pretrained=True)
    except VitrailError:
        raise
    except Exception as error:  # timm, its hub client and torch each fail in their own way
        raise NotInstalledError(
            f"The backbone weights {name} could not be fetched ({_first_line(error)}). Train from random weights with "
            "an empty `pretrained`, or go online once so that timm can cache them."
        ) from error
    try:
        network.load_state_dict(source.state_dict())
    except RuntimeError as error:
        raise UsageError(f"The weights {name} do not fit the backbone: {_first_line(error)}") from error


def _create(name: str, **options: Any) -> nn.Module:
    if not timm.is_model(name):
        near = difflib.get_close_matches(name.partition(".")[0], timm.list_models(), n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UsageError(f"timm has no model {name!r}.{hint}")
    return timm.create_model(name, features_only=True, **options)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
