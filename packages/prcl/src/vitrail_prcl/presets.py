"""The runs of the paper, and the run that made the embedded default. Each is a function that returns a config.

`released` is what the authors' code does, `voc_662` and `cityscapes_150` the same runs with a contrastive loss that has
something to learn: at the released temperature the loss stays at ln(513) whatever the network does (PAPER.md).
"""

from __future__ import annotations

from dataclasses import replace

from vitrail_prcl.config import PRCLConfig, r101
from vitrail_prcl.train_config import (
    ContrastConfig,
    DataConfig,
    OptimizerConfig,
    StrongConfig,
    TrainConfig,
    UnlabeledConfig,
)
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.palettes import get_palette
from vitrail_training.config import FitConfig

BACKBONE_WEIGHTS = "resnet101.tv_in1k"
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5)
"""Of labelled images; the paper's code draws from 0.5 to 1.5 without steps."""


def voc_662() -> TrainConfig:
    """PASCAL VOC with 662 labelled and 9,920 unlabelled images: 16 of each in a step, for 8 GPUs."""
    return TrainConfig(
        augment=_crops(320, SCALES),
        strong=StrongConfig(scales=(0.5, 1.5)),
        semi=_SEMI,
        optimizer=_OPTIMIZER,
        model=replace(r101(), pretrained=BACKBONE_WEIGHTS),
        fit=_fit(steps=16_800, batch_size=16),
    )


def cityscapes_150() -> TrainConfig:
    """Cityscapes with 150 labelled images: 48 of each in a step, for 8 GPUs; evaluated in windows."""
    palette = get_palette("cityscapes")
    model = replace(r101(), classes=palette.classes, palette=palette.colours, pretrained=BACKBONE_WEIGHTS)
    return TrainConfig(
        window=512,
        augment=_crops(512, (1.0,)),
        strong=StrongConfig(scales=(0.5, 2.0)),
        semi=_SEMI,
        optimizer=_OPTIMIZER,
        model=model,
        fit=_fit(steps=8_000, batch_size=48),
    )


def released() -> TrainConfig:
    """The VOC run with the contrastive loss of the released code: temperature 100 and no floor for the variance."""
    return replace(
        voc_662(),
        semi=replace(_SEMI, norms="own"),
        contrast=ContrastConfig(
            temperature=100.0, length=1.0, floor=1e-6, decay=1.0, prior=1.0, spread="released", ramp=16_800
        ),
    )


def landsat() -> TrainConfig:
    """One Landsat-7 scene with labels on a twentieth of its training pixels.

    Of PRCL on top of a mean teacher and on top of consistency the one that `benchmarks/landsat.py search` chose.
    """
    palette = get_palette("landsat")
    return TrainConfig(
        data=DataConfig(dataset="landsat"),
        augment=AugmentConfig(crop=32, mosaic=0.0, scales=(1.0,), max_share=1.0, turns="all", balance=0.5),
        strong=StrongConfig(brightness=0.1, contrast=0.1, blur_probability=0.0, noise=0.3),
        semi=UnlabeledConfig(method="fixmatch", threshold=0.8, mix="cutmix", decay=0.98),
        contrast=ContrastConfig(weight=0.3, ramp=1000, temperature=0.2, anchors=64, negatives=128),
        model=PRCLConfig(
            classes=palette.classes,
            palette=palette.colours,
            bands=5,
            mean=(0.0,) * 5,  # bands, mean and std are taken from the training part when training begins
            std=(1.0,) * 5,
            dtypes=("float32",),
            backbone="test_convnext",
            output_stride=16,
            width=64,
            low_width=16,
            embedding=64,
            zoom=2,  # a decision at a quarter of the scene's resolution would be 114 m wide
        ),
        fit=FitConfig(
            steps=1000,
            batch_size=4,
            lr=3e-3,
            weight_decay=0.05,
            schedule="cosine",
            warmup=50,
            checkpoint_every=0,
        ),
    )


_SEMI = UnlabeledConfig(threshold=0.97, trust="image", ramp=0)
_OPTIMIZER = OptimizerConfig(kind="sgd")


def _crops(size: int, scales: tuple[float, ...]) -> AugmentConfig:
    return AugmentConfig(crop=size, mosaic=0.0, scales=scales, max_share=1.0, turns="horizontal")


def _fit(*, steps: int, batch_size: int) -> FitConfig:
    """What the paper's runs share; the learning rate of the variance head is a 64th of it."""
    return FitConfig(
        steps=steps,
        batch_size=batch_size,
        lr=3.2e-3,
        weight_decay=5e-4,
        schedule="poly",
        power=0.9,
        eta_min=1e-6,
        seed=3407,
        workers=4,
        eval_every=steps // 20,
        checkpoint_every=steps // 20,
    )
