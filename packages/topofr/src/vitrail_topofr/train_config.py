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

    data: aligned crops 112 x 112: a folder with one folder for each identity, a .rec (or its folder), or .tar shards.
    classes: how many identities there are, for a .rec or tars that do not say it; 0 asks the files.
    flip: how often a training image is mirrored.
    verify: verification sets for the evaluations: .bin pairs, IJB folders, or identities, of which pairs are drawn.
    pairs: of identities, how many pairs of each kind to draw, where there are as many.
    epochs: length of the run in passes over the training data; 0 takes --fit.steps as it is. Otherwise the steps,
        the warm-up, the evaluations and the checkpoints follow from the epochs.
    warmup_epochs: epochs in which the learning rate rises.
    eval_epochs: epochs from one evaluation, and one checkpoint, to the next.
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
