"""What `convert` asks beside a checkpoint of other code, and the part of a config that follows. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vitrail.errors import UsageError
from vitrail_segmentation.network_config import IMAGENET_MEAN, IMAGENET_STD
from vitrail_segmentation.palettes import Palette


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """What the file does not say.

    classes: their names; by default those of the published data set with as many classes, else "class 0", ...
    mean, std: of the bands, in the units of the images; by default ImageNet's for uint8, and for other than three
        bands the mean of ImageNet's three for every band.
    new_heads: where `classes` has another count than the file, start the classifying heads anew instead of refusing.
    """

    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    new_heads: bool = False


def image_fields(
    options: ConvertOptions, *, where: str, count: int, bands: int, published: Sequence[Palette]
) -> dict[str, Any]:
    """The fields of a NetworkConfig that tell of images and classes, without `dtypes`.

    where: the file's name, for messages; count, bands: what it holds; published: data sets that its authors used.

    Raises UsageError for another count of names than the file has classes, unless `new_heads` is set.
    """
    named = next((each for each in published if len(each.classes) == count), None)
    classes = named.classes if named else tuple(f"class {index}" for index in range(count))
    palette = named.colours if named else ()
    if options.classes:
        classes, palette = options.classes, ()
    if len(classes) != count and not options.new_heads:
        raise UsageError(
            f"{where} has {count} classes and {len(classes)} names were given; give {count} names, or "
            "new_heads to start the heads anew."
        )
    return {
        "classes": classes,
        "palette": palette,
        "bands": bands,
        "mean": options.mean or _per_band(IMAGENET_MEAN, bands),
        "std": options.std or _per_band(IMAGENET_STD, bands),
    }


def _per_band(values: tuple[float, ...], bands: int) -> tuple[float, ...]:
    return values if bands == len(values) else (round(sum(values) / len(values), 3),) * bands
