"""TransFace behind the core's Recognizer interface: numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitrail.errors import BrokenError, InputError
from vitrail.results import Embeddings
from vitrail_training.component import TorchComponent
from vitrail_transface.config import SIZE, TOKENS, TransFaceConfig
from vitrail_transface.model import TransFaceViT

FACES_AT_ONCE = 64
"""More faces go through the network in several parts."""


class TransFaceRecognizer(TorchComponent):
    """Aligned RGB crops (112, 112, 3) -> unit vectors, or patch tokens. `module` takes what `prepare` gives."""

    config_class: ClassVar[type] = TransFaceConfig
    config: TransFaceConfig
    module: TransFaceViT

    @classmethod
    def build(cls, config: TransFaceConfig) -> TransFaceViT:
        return TransFaceViT(config)

    def embed(self, faces: Sequence[NDArray[Any]]) -> Embeddings:
        """Crops aligned to the five points of ArcFace -> (B, E) float32 of length 1.

        Raises InputError for a crop of another shape or dtype, BrokenError where the weights give no numbers.
        """
        vectors = self._run(faces, self.module, (self.config.embedding,))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise BrokenError(
                f"These weights of {self.spec.id} give embeddings that are zero or not finite; use others."
            )
        return Embeddings(vectors=vectors / lengths)

    def tokens(self, faces: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """The same crops -> patch tokens before the gate, (B, 144, D) float32, row by row of the 12 x 12 grid."""
        return self._run(faces, self.module.tokens, (TOKENS, self.config.dim))

    def prepare(self, faces: Sequence[NDArray[Any]]) -> Tensor:
        """Crops -> the network's input (B, 3, 112, 112), (value - 127.5) / 127.5."""
        stacked = np.stack([np.asarray(face, dtype=np.float32) for face in faces])
        normalised = (stacked - np.float32(127.5)) / np.float32(127.5)
        return torch.from_numpy(normalised).to(self.device).permute(0, 3, 1, 2).contiguous()

    @torch.inference_mode()
    def _run(
        self, faces: Sequence[NDArray[Any]], network: Callable[[Tensor], Tensor], shape: tuple[int, ...]
    ) -> NDArray[np.float32]:
        """(B, *shape) float32."""
        for index, face in enumerate(faces):
            _check(face, index)
        result = np.empty((len(faces), *shape), dtype=np.float32)
        for start in range(0, len(faces), FACES_AT_ONCE):
            part = faces[start : start + FACES_AT_ONCE]
            result[start : start + len(part)] = network(self.prepare(part)).float().cpu().numpy()
        return result


def _check(face: NDArray[Any], index: int) -> None:
    wanted = f"wanted is an aligned crop, a uint8 RGB array ({SIZE}, {SIZE}, 3)"
    if not isinstance(face, np.ndarray):
        raise InputError(f"Face {index} is a {type(face).__name__}; {wanted}.")
    if face.shape != (SIZE, SIZE, 3) or face.dtype != np.uint8:
        raise InputError(
            f"Face {index} is {face.dtype} of shape {face.shape}; {wanted}. Align a photograph first."
        )
