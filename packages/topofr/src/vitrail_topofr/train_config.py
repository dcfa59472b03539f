"""What a training run of TopoFR is told: frozen dataclasses of plain values. Imports no torch.

`presets.py` has the published runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vitrail.errors import UsageError
from vitrail_recognition.training_config import FaceDataConfig
from vitrail_topofr.config import MethodConfig, TopoFRConfig


@dataclass(frozen=True, kw_only=True)
class TrainConfig(FaceDataConfig):
    """A training run of TopoFR.

    momentum: of SGD.
    decay_all: let weight decay also reach biases and the scales of normalisations, as the published runs do.
    """

    momentum: float = 0.9
    decay_all: bool = True
    method: MethodConfig = field(default_factory=MethodConfig)
    model: TopoFRConfig = field(default_factory=TopoFRConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise UsageError(
                f"momentum is {self.momentum}; wanted is a number from 0 to below 1, such as 0.9."
            )
