"""A torch network behind the core's Segmenter interface: numpy in, numpy out.

This module needs torch; install `vitrail-segmentation[train]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitrail.errors import InputError
from vitrail.results import Segmentation
from vitrail_segmentation.network_config import NetworkConfig
from vitrail_training.component import TorchComponent

PIXELS_AT_ONCE = 1 << 20
"""Images of one size go through the network together up to this many pixels."""


class TorchSegmenter(TorchComponent):
    """Images (H, W, bands) of any sizes -> labels (H, W). A method says `config_class` and `build`.

    `module` takes the normalised image (see `prepare`) and in eval mode gives logits (B, K, H, W) of the same size.
    """

    config_class: ClassVar[type] = NetworkConfig
    config: NetworkConfig

    @property
    def classes(self) -> tuple[str, ...]:
        return self.config.classes

    @property
    def bands(self) -> int:
        """Channels that an image must have."""
        return self.config.bands

    @property
    def fill_values(self) -> tuple[float, ...]:
        """What a pixel without data is given, one number a band: the mean, which the network sees as 0."""
        return self.config.mean

    @property
    def dtypes(self) -> tuple[str, ...]:
        """numpy dtypes that an image may have: those whose numbers `mean` and `std` were measured in."""
        return self.config.dtypes

    @property
    def label_dtype(self) -> type[np.uint8] | type[np.uint16]:
        """numpy type of labels: uint8, and uint16 for more than 255 classes."""
        return np.uint16 if len(self.classes) > 255 else np.uint8

    @torch.inference_mode()
    def segment(self, images: Sequence[NDArray[Any]], *, scores: bool = False) -> list[Segmentation]:
        """Labels at each image's own size; with `scores` also the logits, (K, H, W) float32.

        Raises InputError for an image of another shape or dtype, or with numbers that are not finite.
        """
        found: dict[int, Segmentation] = {}
        for group, prepared in self.batches(images):
            logits = self.module(prepared).float()
            labels = logits.argmax(dim=1)
            for place, index in enumerate(group):
                found[index] = self._result(labels[place], logits[place] if scores else None)
        return [found[index] for index in range(len(images))]

    def batches(self, images: Sequence[NDArray[Any]]) -> Iterator[tuple[list[int], Tensor]]:
        """Images of any sizes as the network takes them: indices of some of one size, and those, prepared.

        Raises InputError as `segment` does, before anything is given.
        """
        for index, image in enumerate(images):
            self._check(image, index)
        for group in groups_of_one_size([image.shape[:2] for image in images]):
            yield group, self.prepare([images[index] for index in group])

    def prepare(self, images: Sequence[NDArray[Any]]) -> Tensor:
        """Images of one size, (H, W, bands) each -> the network's input (B, bands, H, W), (value - mean) / std."""
        stacked = np.stack([np.asarray(image, dtype=np.float32) for image in images])
        normalised = (stacked - np.float32(self.config.mean)) / np.float32(self.config.std)
        return torch.from_numpy(normalised).to(self.device).permute(0, 3, 1, 2).contiguous()

    def _check(self, image: NDArray[Any], index: int) -> None:
        bands, dtypes = self.config.bands, self.config.dtypes
        if not isinstance(image, np.ndarray):
            raise InputError(
                f"Image {index} is a {type(image).__name__}; wanted is a numpy array (H, W, {bands})."
            )
        if image.ndim != 3 or image.shape[2] != bands or image.size == 0:
            raise InputError(
                f"Image {index} has shape {image.shape}; these weights want (H, W, {bands}), H and W at least 1."
            )
        if image.dtype.name not in dtypes:
            raise InputError(
                f"Image {index} is {image.dtype}; these weights were trained on {' or '.join(dtypes)}. Give values on "
                "the scale they were trained on."
            )
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise InputError(
                f"Image {index} holds {int((~np.isfinite(image)).sum())} numbers that are not finite. Fill them first, "
                "for instance with the mean of their band."
            )

    def _result(self, labels: Tensor, logits: Tensor | None) -> Segmentation:
        palette = np.array(self.config.palette, dtype=np.uint8) if self.config.palette else None
        return Segmentation(
            labels=labels.cpu().numpy().astype(self.label_dtype),
            classes=self.classes,
            palette=palette,
            scores=None if logits is None else logits.cpu().numpy(),
            ignore=int(np.iinfo(self.label_dtype).max),
        )


def groups_of_one_size(sizes: list[tuple[int, int]]) -> list[list[int]]:
    """Indices of images that go through the network together: of one size, and not too many pixels."""
    by_size: dict[tuple[int, int], list[int]] = {}
    for index, size in enumerate(sizes):
        by_size.setdefault(size, []).append(index)
    groups = []
    for (height, width), indices in by_size.items():
        most = max(1, PIXELS_AT_ONCE // (height * width))
        groups += [indices[start : start + most] for start in range(0, len(indices), most)]
    return groups
