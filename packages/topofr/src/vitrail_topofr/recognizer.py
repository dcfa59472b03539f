"""TopoFR behind the core's Recognizer interface: numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vitrail.errors import BrokenError, InputError
from vitrail.results import Embeddings
from vitrail_topofr.config import SIZE, TopoFRConfig
from vitrail_topofr.model import IResNet
from vitrail_training.component import TorchComponent

AT_ONCE = 64
"""Faces that go through the network together."""


class TopoFRRecognizer(TorchComponent):
    """Aligned crops -> unit vectors. `module` takes what `prepare` gives, and does not normalise."""

    config_class: ClassVar[type] = TopoFRConfig
    config: TopoFRConfig
    module: IResNet

    @classmethod
    def build(cls, config: TopoFRConfig) -> IResNet:
        return IResNet(config)

    @torch.inference_mode()
    def embed(self, faces: Sequence[NDArray[Any]]) -> Embeddings:
        """Crops (112, 112, 3) uint8 RGB, aligned to the "arcface" template -> (B, D) float32 of length 1.

        Raises InputError for an image of another shape or dtype; BrokenError where the network gives no
        finite numbers.
        """
        for index, face in enumerate(faces):
            _check(face, index)
        found = [torch.zeros(0, self.config.embedding)]
        for start in range(0, len(faces), AT_ONCE):
            vectors = self.module(self.prepare(faces[start : start + AT_ONCE])).float()
            found.append(F.normalize(vectors.double()).float().cpu())
        vectors = torch.cat(found)
        if bad := int((~(vectors.square().sum(1) > 0.5)).sum()):
            raise BrokenError(
                f"{self.spec.id} gives no finite embedding for {bad} of {len(faces)} faces: its weights are damaged "
                "or its training diverged. Use other weights."
            )
        return Embeddings(vectors=vectors.numpy())

    def prepare(self, faces: Sequence[NDArray[Any]]) -> Tensor:
        """Crops (112, 112, 3) uint8 RGB -> the network's input (B, 3, 112, 112), (x / 255 - 0.5) / 0.5."""
        stacked = torch.from_numpy(np.stack([np.asarray(face) for face in faces]))
        return stacked.to(self.device).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


def _check(face: Any, index: int) -> None:
    wanted = f"({SIZE}, {SIZE}, 3) uint8 RGB"
    if not isinstance(face, np.ndarray):
        raise InputError(f"Face {index} is a {type(face).__name__}; wanted is a numpy array {wanted}.")
    if face.shape != (SIZE, SIZE, 3):
        raise InputError(
            f"Face {index} has shape {face.shape}; wanted is {wanted}, aligned: find and align the face first."
        )
    if face.dtype != np.uint8:
        raise InputError(f"Face {index} is {face.dtype}; wanted is {wanted}, values from 0 to 255.")
