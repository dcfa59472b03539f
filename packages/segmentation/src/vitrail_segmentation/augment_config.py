"""What is done to training images: one frozen dataclass of plain values. Imports no numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vitrail.errors import UsageError
from vitrail_segmentation.config_checks import check_at_least, check_literals


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """What is done to training images.

    crop: side of a training crop in pixels, a multiple of 32.
    mosaic: how often a picture is put together from four.
    scales: factors to resize by, each as likely.
    max_share: a crop is drawn again while it has one class only, or one class has this share of it.
    tries: how often a crop is drawn at the most; the last one is taken as it is.
    turns: rotate90 (half the time by a random right angle), horizontal (mirror half the time), all (both mirrors
        and any right angle) or none.
    jitter: largest change of each band's brightness (in standard deviations) and gain (as a share).
    noise: standard deviation of noise on every pixel, in standard deviations of the band.
    balance: crops of a scene: how often one is placed on a random pixel of a random class, each class as likely.
    """

    crop: int = 512
    mosaic: float = 0.25
    scales: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5)
    max_share: float = 0.75
    tries: int = 11
    turns: Literal["rotate90", "horizontal", "all", "none"] = "rotate90"
    jitter: float = 0.0
    noise: float = 0.0
    balance: float = 0.0

    def __post_init__(self) -> None:
        check_literals(self)
        check_at_least(self, jitter=0, noise=0, tries=1)
        if self.crop < 32 or self.crop % 32:
            raise UsageError(f"crop is {self.crop}; wanted is a multiple of 32, such as 512.")
        if not self.scales or min(self.scales) <= 0:
            raise UsageError(f"scales is {self.scales}; wanted are factors above 0.")
        for name in ("mosaic", "balance"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}; wanted is a probability from 0 to 1.")
