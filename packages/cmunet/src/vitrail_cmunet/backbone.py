"""Any timm network as the encoder: four maps at strides 4, 8, 16 and 32."""

from __future__ import annotations

import difflib
from typing import Any

import timm
from torch import Tensor, nn

from vitrail.errors import NotInstalledError, UsageError, VitrailError

STRIDES = (4, 8, 16, 32)


def build_backbone(name: str, bands: int) -> tuple[nn.Module, tuple[int, ...]]:
    """An untrained encoder, and which of its feature maps have strides 4, 8, 16 and 32.

    Raises UsageError for a name that timm does not know, and for a network without those strides.
    """
    network = _create(name, in_chans=bands, pretrained=False)
    strides = network.feature_info.reduction()
    if not set(STRIDES) <= set(strides):
        raise UsageError(
            f"Backbone {name} gives features at strides {', '.join(map(str, strides))}; wanted is a network with "
            "strides 4, 8, 16 and 32, such as resnet18 or convnext_atto."
        )
    last = {stride: index for index, stride in enumerate(strides)}
    return network, tuple(last[stride] for stride in STRIDES)


def backbone_channels(network: nn.Module, taps: tuple[int, ...]) -> tuple[int, ...]:
    """Channels of the four maps."""
    channels = network.feature_info.channels()
    return tuple(channels[tap] for tap in taps)


def features(network: nn.Module, taps: tuple[int, ...], image: Tensor) -> list[Tensor]:
    """(B, bands, H, W) -> four maps (B, C, H/4, W/4) ... (B, C, H/32, W/32)."""
    maps = network(image)
    chosen = [maps[tap] for tap in taps]
    if str(getattr(network, "output_fmt", "NCHW")).endswith("NHWC"):
        chosen = [x.permute(0, 3, 1, 2).contiguous() for x in chosen]
    return chosen


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
