"""TopoFR behind the core's Recognizer interface."""

from __future__ import annotations

from typing import ClassVar

from vitrail_recognition.torch_recognizer import CropRecognizer
from vitrail_topofr.config import TopoFRConfig
from vitrail_topofr.model import IResNet


class TopoFRRecognizer(CropRecognizer):
    """Aligned RGB crops (112, 112, 3) -> unit vectors. `module` takes what `prepare` gives, and does not normalise."""

    config_class: ClassVar[type] = TopoFRConfig
    config: TopoFRConfig
    module: IResNet

    @classmethod
    def build(cls, config: TopoFRConfig) -> IResNet:
        return IResNet(config)
