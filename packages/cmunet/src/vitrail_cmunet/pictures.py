"""Labels as panels of a picture, for evaluation and demo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.results import Segmentation
from vitrail_segmentation.palettes import IGNORE, Palette
from vitrail_segmentation.render import side_by_side


def compare_labels(
    panels: Mapping[str, NDArray[np.uint8]], labels: Mapping[str, NDArray[Any]], palette: Palette
) -> NDArray[np.uint8]:
    """RGB `panels`, then one for each of `labels` (H, W), in a row under their titles; unlabelled pixels are white.

    The legend at the end has the classes and shares of the last one.
    """
    shown: Segmentation | None = None
    drawn = dict(panels)
    for title, each in labels.items():
        shown = Segmentation(labels=each, classes=palette.classes, palette=palette.array)
        drawn[title] = np.where((each == IGNORE)[..., None], np.uint8(255), shown.picture())
    return side_by_side(drawn, shown)
