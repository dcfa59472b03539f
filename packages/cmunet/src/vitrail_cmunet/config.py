"""What a CM-UNet is made of: one frozen dataclass, checked when it is built. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from vitrail.errors import UsageError
from vitrail_segmentation.network_config import NetworkConfig
from vitrail_segmentation.palettes import get_palette

ISPRS, LOVEDA = get_palette("isprs"), get_palette("loveda")


@dataclass(frozen=True, kw_only=True)
class CMUNetConfig(NetworkConfig):
    """A CM-UNet. The defaults are the paper's network for the six ISPRS classes.

    backbone: any timm model that gives features at strides 4, 8, 16 and 32.
    pretrained: timm name of the backbone weights that *training* starts from; empty for none. The paper says
        "ResNet-18" and its code loads "resnet18.fb_swsl_ig1b_ft_in1k". Loading a component never fetches them.
    width: channels of the decoder at stride 4, a multiple of 16; 2, 4 and 8 times that at strides 8, 16 and 32.
    depths: CSMamba blocks of the four decoder stages, stride 32 first.
    drop_path: stochastic depth, growing from 0 in the first block at stride 4 to this in the last at stride 32.
    state: size of the selective scan's state.
    zoom: how many times the network enlarges the image before it looks at it; the logits are averaged back. The
        decoder decides at a quarter of what it looks at, which is coarse where a pixel is 30 m wide.
    """

    classes: tuple[str, ...] = ISPRS.classes
    palette: tuple[tuple[int, int, int], ...] = ISPRS.colours
    backbone: str = "resnet18"
    pretrained: str = ""
    width: int = 64
    depths: tuple[int, int, int, int] = (2, 2, 2, 2)
    drop_path: float = 0.2
    state: int = 16
    zoom: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 16 or self.width % 16:
            raise UsageError(f"width is {self.width}; wanted is a multiple of 16.")
        if len(self.depths) != 4 or min(self.depths) < 1:
            raise UsageError(f"depths is {self.depths}; wanted are four numbers from 1.")
        if not 0 <= self.drop_path < 1:
            raise UsageError(f"drop_path is {self.drop_path}; wanted is a share from 0 to below 1.")
        if self.state < 1:
            raise UsageError(f"state is {self.state}; wanted is at least 1.")
        if self.zoom < 1:
            raise UsageError(f"zoom is {self.zoom}; wanted is a whole number from 1.")

    @property
    def is_published(self) -> bool:
        """Whether the network is the one whose code the authors released, for any classes and bands."""
        network = (self.backbone, self.width, self.depths, self.state, self.zoom)
        return network == ("resnet18", 64, (2, 2, 2, 2), 16, 1)


def resnet18() -> CMUNetConfig:
    """The paper's network, for the six ISPRS classes."""
    return CMUNetConfig()


def landsat() -> CMUNetConfig:
    """The small network that comes with the package, as the preset that trained it describes it."""
    from vitrail_cmunet.presets import landsat as preset  # presets import this module

    return preset().model
