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

    data: aligned crops 112 x 112: a folder with one folder for each identity, a .rec (or its folder), or .tar shards.
    classes: how many identities there are, for a .rec or tars that do not say it; 0 asks the files.
    flip: how often a training image is mirrored.
    verify: verification sets for the evaluations: .bin pairs, IJB folders, or identities, of which pairs are drawn.
    pairs: of identities, how many pairs of each kind to draw, where there are as many.
    epochs: length of the run in passes over the training data; 0 takes --fit.steps as it is. Otherwise the steps,
        the warm-up, the evaluations and the checkpoints follow from the epochs.
    warmup_epochs: epochs in which the learning rate rises.
    eval_epochs: epochs from one evaluation, and one checkpoint, to the next.
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
