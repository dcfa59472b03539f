"""A torch network behind the core's Recognizer interface: numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitrail.errors import BrokenError, InputError
from vitrail.results import Embeddings
from vitrail_training.component import TorchComponent

FACES_AT_ONCE = 64
"""More faces go through the network in several parts."""


class CropRecognizer(TorchComponent):
    """Aligned RGB crops of `spec.inputs.size` -> unit vectors. A method says `config_class` and `build`.

    `module` takes what `prepare` gives, and in eval mode gives embeddings (B, D), not normalised; D is
    `config.embedding`.
    """

    def embed(self, faces: Sequence[NDArray[Any]]) -> Embeddings:
        """Crops (H, W, 3) uint8 RGB, aligned to `spec.inputs.template` -> (B, D) float32 of length 1.

        Raises InputError for a crop of another shape or dtype, BrokenError where the network gives no finite numbers.
        """
        vectors = self.run(faces, self.module, (self.config.embedding,)).astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if bad := int((~(np.isfinite(lengths) & (lengths > 0))).sum()):
            raise BrokenError(
                f"{self.spec.id} gives no finite embedding for {bad} of {len(faces)} faces: its weights are damaged "
                "or its training diverged. Use other weights."
            )
        return Embeddings(vectors=(vectors / lengths).astype(np.float32))

    def prepare(self, faces: Sequence[NDArray[Any]]) -> Tensor:
        """Crops -> the network's input (B, 3, H, W), (value - 127.5) / 127.5."""
        stacked = np.stack([np.asarray(face, dtype=np.float32) for face in faces])
        normalised = (stacked - np.float32(127.5)) / np.float32(127.5)
        return torch.from_numpy(normalised).to(self.device).permute(0, 3, 1, 2).contiguous()

    @torch.inference_mode()
    def run(
        self, faces: Sequence[NDArray[Any]], network: Callable[[Tensor], Tensor], shape: tuple[int, ...]
    ) -> NDArray[np.float32]:
        """What `network` gives for the crops, (B, *shape) float32, some of them at a time."""
        for index, face in enumerate(faces):
            self._check(face, index)
        result = np.empty((len(faces), *shape), dtype=np.float32)
        for start in range(0, len(faces), FACES_AT_ONCE):
            part = faces[start : start + FACES_AT_ONCE]
            result[start : start + len(part)] = network(self.prepare(part)).float().cpu().numpy()
        return result

    def _check(self, face: Any, index: int) -> None:
        shape = (*self.spec.inputs.size, 3)
        wanted = f"wanted is an aligned crop, a uint8 RGB array {shape}"
        if not isinstance(face, np.ndarray):
            raise InputError(f"Face {index} is a {type(face).__name__}; {wanted}.")
        if face.shape != shape or face.dtype != np.uint8:
            raise InputError(
                f"Face {index} is {face.dtype} of shape {face.shape}; {wanted}. Find and align the face first."
            )
