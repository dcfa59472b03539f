"""Class names and colours of the data sets that people use, and the way between colour pictures and labels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError

Colour = tuple[int, int, int]
IGNORE = 255


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Class k is called `classes[k]` and drawn in `colours[k]`; label pictures may also hold colours to `ignore`."""

    name: str
    classes: tuple[str, ...]
    colours: tuple[Colour, ...]
    ignored: tuple[Colour, ...] = field(default=())

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.colours):
            raise UsageError(
                f"{self.name}: {len(self.classes)} classes and {len(self.colours)} colours do not match."
            )
        known = (*self.colours, *self.ignored)
        if len(set(known)) != len(known):
            raise UsageError(f"{self.name}: two classes have the same colour.")

    @property
    def array(self) -> NDArray[np.uint8]:
        """The colours, (K, 3) uint8."""
        return np.array(self.colours, dtype=np.uint8).reshape(-1, 3)

    def encode(self, picture: NDArray[np.uint8], *, unknown: int | None = None) -> NDArray[np.uint8]:
        """A label picture (H, W, 3) uint8 RGB -> labels (H, W) uint8.

        unknown: the label for colours that are not in the palette. Without it they raise InputError, since a mask
        that was resized with interpolation, saved as JPEG or belongs to another data set is no mask.
        """
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise InputError(
                f"The label picture has shape {picture.shape} and type {picture.dtype}; wanted is uint8 RGB (H, W, 3)."
            )
        labels_of = {_pack(colour): k for k, colour in enumerate(self.colours)}
        labels_of |= {_pack(colour): IGNORE for colour in self.ignored}
        keys = np.array(sorted(labels_of), dtype=np.uint32)
        values = np.array([labels_of[int(key)] for key in keys], dtype=np.uint8)
        wide = picture.astype(np.uint32)
        packed = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
        places = np.minimum(np.searchsorted(keys, packed), len(keys) - 1)
        labels = values[places]
        strange = keys[places] != packed
        if strange.any():
            if unknown is None:
                raise InputError(self._describe_strange(picture, strange))
            labels[strange] = unknown
        return labels

    def decode(self, labels: NDArray[np.integer], *, ignore: int = IGNORE) -> NDArray[np.uint8]:
        """Labels (H, W) -> a label picture (H, W, 3) uint8; ignored pixels take the first ignored colour, or black."""
        table = np.zeros((len(self.colours) + 1, 3), dtype=np.uint8)
        table[:-1] = self.array
        table[-1] = self.ignored[0] if self.ignored else (0, 0, 0)
        outside = ((labels < 0) | (labels >= len(self.classes))) & (labels != ignore)
        if outside.any():
            raise InputError(
                f"The labels hold {int(labels[outside].flat[0])}; {self.name} has 0 to {len(self.classes) - 1}, "
                f"and {ignore} for unlabelled pixels."
            )
        return table[np.where(labels == ignore, len(self.colours), labels)]

    def _describe_strange(self, picture: NDArray[np.uint8], strange: NDArray[np.bool_]) -> str:
        row, column = (int(part) for part in np.argwhere(strange)[0])
        colour = tuple(int(part) for part in picture[row, column])
        known = ", ".join(f"{name} {colour}" for name, colour in zip(self.classes, self.colours))
        return (
            f"The label picture holds {int(strange.sum()):,} pixels of colours that the palette {self.name} does not "
            f"have, the first {colour} at row {row}, column {column}. It knows {known}. Was it resized with "
            "interpolation, or saved as JPEG?"
        )


def get_palette(name: str) -> Palette:
    """A palette by its name; see `PALETTES`."""
    if name not in PALETTES:
        raise UsageError(f"There is no palette {name!r}; there are {', '.join(PALETTES)}.")
    return PALETTES[name]


def _pack(colour: Colour) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def _palette(name: str, entries: dict[str, Colour], *ignored: Colour) -> Palette:
    return Palette(name=name, classes=tuple(entries), colours=tuple(entries.values()), ignored=ignored)


PALETTES: dict[str, Palette] = {
    palette.name: palette
    for palette in (
        # black is the eroded boundary in the `_noBoundary` masks
        _palette(
            "isprs",
            {
                "impervious surface": (255, 255, 255),
                "building": (0, 0, 255),
                "low vegetation": (0, 255, 255),
                "tree": (0, 255, 0),
                "car": (255, 255, 0),
                "clutter": (255, 0, 0),
            },
            (0, 0, 0),
        ),
        _palette(
            "loveda",
            {
                "background": (255, 255, 255),
                "building": (255, 0, 0),
                "road": (255, 255, 0),
                "water": (0, 0, 255),
                "barren": (159, 129, 183),
                "forest": (0, 255, 0),
                "agriculture": (255, 195, 128),
            },
            (0, 0, 0),
        ),
        _palette(
            "voc",
            {
                "background": (0, 0, 0),
                "aeroplane": (128, 0, 0),
                "bicycle": (0, 128, 0),
                "bird": (128, 128, 0),
                "boat": (0, 0, 128),
                "bottle": (128, 0, 128),
                "bus": (0, 128, 128),
                "car": (128, 128, 128),
                "cat": (64, 0, 0),
                "chair": (192, 0, 0),
                "cow": (64, 128, 0),
                "dining table": (192, 128, 0),
                "dog": (64, 0, 128),
                "horse": (192, 0, 128),
                "motorbike": (64, 128, 128),
                "person": (192, 128, 128),
                "potted plant": (0, 64, 0),
                "sheep": (128, 64, 0),
                "sofa": (0, 192, 0),
                "train": (128, 192, 0),
                "tv monitor": (0, 64, 128),
            },
            (224, 224, 192),
        ),
        _palette(
            "cityscapes",
            {
                "road": (128, 64, 128),
                "sidewalk": (244, 35, 232),
                "building": (70, 70, 70),
                "wall": (102, 102, 156),
                "fence": (190, 153, 153),
                "pole": (153, 153, 153),
                "traffic light": (250, 170, 30),
                "traffic sign": (220, 220, 0),
                "vegetation": (107, 142, 35),
                "terrain": (152, 251, 152),
                "sky": (70, 130, 180),
                "person": (220, 20, 60),
                "rider": (255, 0, 0),
                "car": (0, 0, 142),
                "truck": (0, 0, 70),
                "bus": (0, 60, 100),
                "train": (0, 80, 100),
                "motorcycle": (0, 0, 230),
                "bicycle": (119, 11, 32),
            },
            (0, 0, 0),
        ),
        _palette(
            "landsat",
            {
                "developed": (214, 47, 39),
                "agriculture": (232, 190, 74),
                "herbaceous": (178, 214, 112),
                "shrubland": (166, 128, 82),
                "forest": (38, 110, 52),
                "water": (52, 120, 190),
                "sediment": (205, 196, 186),
            },
            (0, 0, 0),
        ),
    )
}
