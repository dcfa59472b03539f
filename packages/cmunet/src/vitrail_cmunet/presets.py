"""The runs of the paper, and the run that made the embedded default. Each is a function that returns a config.

The published values are those of the paper's code. Two things differ on purpose: padding is ignored (see
`patching`), and the best weights are chosen by data that was held out of training, not by the test part (see
`splits`; `--data.published` does it the papers' way). And the learning rate follows its cosine from step to step,
where theirs changes from epoch to epoch.
"""

from __future__ import annotations

from dataclasses import replace

from vitrail_cmunet.config import LOVEDA, CMUNetConfig
from vitrail_cmunet.train_config import DataConfig, LossConfig, TrainConfig
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.palettes import get_palette
from vitrail_training.config import FitConfig

BACKBONE_WEIGHTS = "resnet18.fb_swsl_ig1b_ft_in1k"


def vaihingen() -> TrainConfig:
    """ISPRS Vaihingen: 105 epochs of patches in three cosine cycles of 15, 30 and 60."""
    return TrainConfig(
        epochs=105,
        cycle_epochs=15,
        data=DataConfig(dataset="vaihingen"),
        model=CMUNetConfig(pretrained=BACKBONE_WEIGHTS),
        fit=_published(schedule="cosine-restarts"),
    )


def potsdam() -> TrainConfig:
    """ISPRS Potsdam: 45 epochs in two cosine cycles of 15 and 30."""
    return TrainConfig(
        epochs=45,
        cycle_epochs=15,
        data=DataConfig(dataset="potsdam"),
        model=CMUNetConfig(pretrained=BACKBONE_WEIGHTS),
        fit=_published(schedule="cosine-restarts"),
    )


def loveda() -> TrainConfig:
    """LoveDA: 105 epochs of one cosine; the encoder learns at a tenth of the rate."""
    return TrainConfig(
        epochs=105,
        backbone_lr=0.1,
        data=DataConfig(dataset="loveda"),
        augment=AugmentConfig(scales=(0.75, 1.0, 1.25, 1.5), turns="horizontal"),
        model=CMUNetConfig(classes=LOVEDA.classes, palette=LOVEDA.colours, pretrained=BACKBONE_WEIGHTS),
        fit=_published(schedule="cosine", batch_size=16, eta_min=1e-6),
    )


def landsat() -> TrainConfig:
    """One Landsat-7 scene: the run that made the embedded `cmunet/landsat`, on the western half, last weights.

    Its values are the best of sixteen trials on that half's outer fifth (benchmarks/landsat.py). To hold the fifth out
    again: --no-data.whole-half, and --fit.best-metric miou_present to keep the best weights by it.
    """
    palette = get_palette("landsat")
    return TrainConfig(
        lookahead=False,
        decay_scan=False,
        data=DataConfig(dataset="landsat", whole_half=True),
        augment=AugmentConfig(crop=64, mosaic=0.0, scales=(1.0,), max_share=1.0, turns="all", noise=0.3),
        loss=LossConfig(average="valid", dice=0.0),
        model=CMUNetConfig(
            classes=palette.classes,
            palette=palette.colours,
            bands=5,
            mean=(0.0,) * 5,  # bands, mean and std are taken from the training part when training begins
            std=(1.0,) * 5,
            dtypes=("float32",),
            backbone="test_convnext",
            width=32,
            depths=(1, 1, 1, 1),
            drop_path=0.1,
            zoom=2,
        ),
        fit=FitConfig(
            steps=1600,
            batch_size=8,
            lr=3e-3,
            weight_decay=0.2,
            schedule="cosine",
            warmup=50,
            checkpoint_every=200,
        ),
    )


def landsat_reverse() -> TrainConfig:
    """The same the other way round: trained on the eastern half, for a test on the western one."""
    start = landsat()
    return replace(start, data=replace(start.data, reverse=True))


def _published(*, schedule: str, batch_size: int = 8, eta_min: float = 0.0) -> FitConfig:
    """What the three runs share. `steps` and `t0` follow from the epochs when training begins."""
    return FitConfig(
        batch_size=batch_size,
        lr=6e-4,
        weight_decay=0.01,
        schedule=schedule,
        eta_min=eta_min,
        t0=1,
        t_mult=2,
        seed=42,
        workers=4,
        best_metric="miou",
    )
