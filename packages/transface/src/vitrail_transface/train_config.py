"""What a training run of TransFace is told: frozen dataclasses of plain values. Imports no torch.

`presets.py` has the published runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vitrail.errors import UsageError
from vitrail_recognition.training_config import FaceDataConfig, MarginConfig
from vitrail_transface.config import DPAPConfig, EHSMConfig, TransFaceConfig


@dataclass(frozen=True, kw_only=True)
class TrainConfig(FaceDataConfig):
    """A training run of TransFace.

    mining: weigh the samples by EHSM at all. DPAP is off where --dpap.probability is 0.
    decay_all: let weight decay also reach biases and the scales of normalisations, as the published runs do.
    """

    mining: bool = True
    decay_all: bool = True
    dpap: DPAPConfig = field(default_factory=DPAPConfig)
    ehsm: EHSMConfig = field(default_factory=EHSMConfig)
    margin: MarginConfig = field(default_factory=lambda: MarginConfig(gradient="straight_through"))
    model: TransFaceConfig = field(default_factory=TransFaceConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dpap.probability and not self.model.gate:
            raise UsageError(
                "model.gate is off, and the gates choose the patches of DPAP; set dpap.probability to 0."
            )
