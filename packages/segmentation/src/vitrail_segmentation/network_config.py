"""What any network that segments is told of its images and classes. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from vitrail.errors import UsageError

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
"""Of the red, green and blue of uint8 images (the usual 0.485, 0.456, 0.406 and 0.229, 0.224, 0.225 times 255)."""

DTYPES = ("uint8", "uint16", "int16", "int32", "float32", "float64")


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Images and classes of a segmenter; a method's own config inherits from it.

    classes: K names, at least two.
    palette: K RGB colours, or none at all for distinct ones.
    bands: channels of an image.
    mean, std: of the training images, one number a band, in the units of their values.
    dtypes: numpy dtypes that an image may have; numbers of another kind have another scale.
    """

    classes: tuple[str, ...] = ("background", "foreground")
    palette: tuple[tuple[int, int, int], ...] = ()
    bands: int = 3
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    dtypes: tuple[str, ...] = ("uint8",)

    def __post_init__(self) -> None:
        count = len(self.classes)
        if count < 2:
            raise UsageError(f"classes has {count} name(s); wanted are at least two classes.")
        if self.palette and len(self.palette) != count:
            raise UsageError(
                f"palette has {len(self.palette)} colours for {count} classes; give one a class, or none at all."
            )
        if any(len(colour) != 3 or not all(0 <= part <= 255 for part in colour) for colour in self.palette):
            raise UsageError("palette has a colour that is not three numbers from 0 to 255.")
        if self.bands < 1:
            raise UsageError(f"bands is {self.bands}; wanted is at least 1.")
        if len(self.mean) != self.bands or len(self.std) != self.bands:
            raise UsageError(
                f"mean has {len(self.mean)} values and std {len(self.std)}; wanted is one a band, and bands is "
                f"{self.bands}."
            )
        if any(not value > 0 for value in self.std):
            raise UsageError(f"std is {self.std}; every value must be above 0.")
        if not self.dtypes or set(self.dtypes) - set(DTYPES):
            raise UsageError(f"dtypes is {self.dtypes}; wanted are some of {', '.join(DTYPES)}.")
