"""Images of noise, as a segmenter expects them: to time it, and to check an exported file."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vitrail_segmentation.network_config import NetworkConfig


class HasConfig(Protocol):
    """A segmenter whose config says what its images are like."""

    config: NetworkConfig


def noise_images(component: HasConfig, count: int, height: int, width: int) -> list[NDArray[Any]]:
    """`count` images (height, width, bands) with the mean, spread and dtype that the network was trained on.

    The same ones for the same arguments.
    """
    config = component.config
    noise = np.random.default_rng(height).normal(size=(count, height, width, config.bands))
    values = np.array(config.mean) + noise * np.array(config.std)
    dtype = np.dtype(config.dtypes[0])
    if dtype.kind in "iu":
        values = values.clip(np.iinfo(dtype).min, np.iinfo(dtype).max)
    return list(values.astype(dtype))
