"""TransFace behind the core's Recognizer interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vitrail_recognition.torch_recognizer import CropRecognizer
from vitrail_transface.config import TOKENS, TransFaceConfig
from vitrail_transface.model import TransFaceViT


class TransFaceRecognizer(CropRecognizer):
    """Aligned RGB crops (112, 112, 3) -> unit vectors, or patch tokens. `module` takes what `prepare` gives."""

    config_class: ClassVar[type] = TransFaceConfig
    config: TransFaceConfig
    module: TransFaceViT

    @classmethod
    def build(cls, config: TransFaceConfig) -> TransFaceViT:
        return TransFaceViT(config)

    def tokens(self, faces: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """The same crops -> patch tokens before the gate, (B, 144, D) float32, row by row of the 12 x 12 grid."""
        return self.run(faces, self.module.tokens, (TOKENS, self.config.dim))
