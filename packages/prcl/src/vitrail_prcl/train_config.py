"""What a training run is told: frozen dataclasses of plain values. Imports no torch.

`presets.py` has the paper's runs; the defaults here are for a folder of one's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vitrail.errors import UsageError
from vitrail_prcl.config import PRCLConfig
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_segmentation.config_checks import check_at_least, check_literals
from vitrail_training.config import FitConfig

DatasetName = Literal["files", "landsat", "indian-pines"]


def _check_shares(config: object, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(config, name) <= 1:
            raise UsageError(f"{name} is {getattr(config, name)}; wanted is a share from 0 to 1.")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which data, where `--labeled` and `--unlabeled` do not say it all.

    dataset: files, or a scene that comes with a Python package: landsat or indian-pines.
    root: the folder that lists of images are about, for instance that of VOC (with JPEGImages in it) or of Cityscapes
        (with leftImg8bit).
    labels: the label raster of a large image, where --labeled is one.
    share: landsat and indian-pines: the share of the training pixels that keep their label; all of the ground is the
        unlabelled data.
    block: landsat and indian-pines: the side in pixels of the square blocks that keep their labels.
    blocks_seed: landsat and indian-pines: which blocks those are.
    reverse: landsat: train on the eastern half and test on the western one.
    whole_half: landsat: train on the validation part too; for the last run, when nothing is chosen any more.
    length: landsat and indian-pines: crops that are called an epoch.
    """

    dataset: DatasetName = "files"
    root: str = ""
    labels: str = ""
    share: float = 0.05
    block: int = 8
    blocks_seed: int = 0
    reverse: bool = False
    whole_half: bool = False
    length: int = 1024

    def __post_init__(self) -> None:
        check_literals(self)
        check_at_least(self, length=1, block=1, blocks_seed=0)
        if not 0 < self.share <= 1:
            raise UsageError(f"share is {self.share}; wanted is a share above 0, up to 1.")


@dataclass(frozen=True, kw_only=True)
class StrongConfig:
    """What is done to the images that the network learns from: labelled ones, and the strong views of unlabelled ones.

    jitter_probability: how often an image's colours change.
    brightness, contrast, saturation, hue: the largest change, as a share; of bands that are no red, green and blue, an
        offset in standard deviations (brightness) and a gain (contrast) for each band.
    blur_probability: how often an image is blurred.
    blur_sigma: from and to, in pixels.
    noise: standard deviation of noise on every pixel, in standard deviations of the band.
    scales: from and to, what a strong view is enlarged by.
    """

    jitter_probability: float = 0.8
    brightness: float = 0.25
    contrast: float = 0.25
    saturation: float = 0.25
    hue: float = 0.25
    blur_probability: float = 0.5
    blur_sigma: tuple[float, float] = (0.15, 1.15)
    noise: float = 0.0
    scales: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        _check_shares(self, "jitter_probability", "blur_probability", "brightness", "contrast", "saturation")
        check_at_least(self, noise=0)
        if not 0 <= self.hue <= 0.5:
            raise UsageError(f"hue is {self.hue}; wanted is a part of the circle from 0 to 0.5.")
        for name in ("blur_sigma", "scales"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise UsageError(
                    f"{name} is {(low, high)}; wanted are two numbers above 0, the smaller one first."
                )


@dataclass(frozen=True, kw_only=True)
class UnlabeledConfig:
    """How the network learns from images without labels: from labels that it, or an average of it, gives them.

    method: mean-teacher (the average of the weights labels the weak view), fixmatch (the network itself does), or none.
    weight: of this loss. ramp: steps in which it rises to that, as exp(-5 (1 - t)^2).
    trust: pixel or image. pixel: only pixels that are surer than `threshold` count. image: all pixels count, by the
        share of their image's pixels that are surer than it, as in PRCL's own code.
    mix: classmix, cutmix, cutout or none: how strong views are mixed.
    decay: of the average of the weights, which is also what is evaluated and saved, whatever the method.
    norms: averaged or own, the BatchNorm statistics of that average; see `vitrail_prcl.teacher`.
    """

    method: Literal["mean-teacher", "fixmatch", "none"] = "mean-teacher"
    weight: float = 1.0
    ramp: int = 500
    threshold: float = 0.95
    trust: Literal["pixel", "image"] = "pixel"
    mix: Literal["classmix", "cutmix", "cutout", "none"] = "classmix"
    decay: float = 0.99
    norms: Literal["averaged", "own"] = "averaged"

    def __post_init__(self) -> None:
        check_literals(self)
        check_at_least(self, weight=0, ramp=0)
        _check_shares(self, "threshold", "decay")


@dataclass(frozen=True, kw_only=True)
class ContrastConfig:
    """The contrastive loss between pixels whose representations are Gaussians.

    weight: at the start; 0 leaves the loss out. last_weight: what it does not fall below.
    ramp: steps in which the weight falls as exp(-5 t^2); 0 keeps it.
    temperature: what scores are divided by. reduction: mean or sum of a score over the D numbers; a temperature T of
        the mean is D T of the sum.
    length: what the means are brought to; 0 is the root of D, with which their distances are of the size of the
        variances, so that these can tell something. In the paper 1.
    floor: the least variance of a pixel; without one the variance is driven to 0.
    confident: least probability of a pseudo-label whose pixel takes part. hard: a pixel whose own class the network
        gives less than this can be an anchor.
    anchors, negatives: of each class, and of each anchor.
    prototypes: global (of the whole training) or batch. weighting: precision, or plain for means that every pixel
        counts the same in.
    decay: what the global prototypes' past is multiplied by after each step; 1 never forgets.
    prior: precision of the Gaussian of mean 1 that they begin with.
    virtual: virtual negatives of each other class; 0 for none. radius, spread: how far they lie from the prototypes,
        see `vitrail_prcl.virtual`.
    """

    weight: float = 1.0
    last_weight: float = 0.0
    ramp: int = 0
    temperature: float = 1.0
    reduction: Literal["mean", "sum"] = "mean"
    length: float = 0.0
    floor: float = 1e-3
    confident: float = 0.7
    hard: float = 0.8
    anchors: int = 256
    negatives: int = 512
    prototypes: Literal["global", "batch"] = "global"
    weighting: Literal["precision", "plain"] = "precision"
    decay: float = 0.99
    prior: float = 0.0
    virtual: int = 4
    radius: float = 1.0
    spread: Literal["unit", "deviation", "released"] = "unit"

    def __post_init__(self) -> None:
        check_literals(self)
        check_at_least(
            self,
            weight=0,
            last_weight=0,
            ramp=0,
            length=0,
            anchors=1,
            negatives=0,
            virtual=0,
            radius=0,
            prior=0,
        )
        _check_shares(self, "confident", "hard", "decay")
        for name in ("temperature", "floor"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} is {getattr(self, name)}; wanted is a number above 0.")
        if self.negatives + self.virtual == 0:
            raise UsageError("negatives and virtual are both 0; the loss needs something to compare with.")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How the weights move.

    kind: adamw, or sgd with Nesterov momentum 0.9, as in the paper.
    backbone_lr: the encoder's learning rate as a share of --fit.lr.
    variance_lr: that of the variance head. The paper freezes it softly, at 1/64: its gradients all shrink the variance.
    """

    kind: Literal["adamw", "sgd"] = "adamw"
    backbone_lr: float = 1.0
    variance_lr: float = 1 / 64

    def __post_init__(self) -> None:
        check_literals(self)
        check_at_least(self, backbone_lr=0, variance_lr=0)


def _augment() -> AugmentConfig:
    return AugmentConfig(
        crop=320, mosaic=0.0, scales=(0.5, 0.75, 1.0, 1.25, 1.5), max_share=1.0, turns="horizontal"
    )


def _model() -> PRCLConfig:
    return PRCLConfig(backbone="resnet50", pretrained="resnet50.a1_in1k")


def _fit() -> FitConfig:
    return FitConfig(steps=10_000, lr=1e-4, weight_decay=0.01, schedule="poly", warmup=500, workers=2)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training run of PRCL.

    labeled: a folder with images/ and masks/; or a list of images, with --data.root; or one large GeoTIFF, with
        --data.labels.
    unlabeled: a folder of images without labels, or such a list. Without one the labelled images are used again; of a
        large image always all of it.
    validation: a folder or list of labelled images, to choose the best weights by; without one nothing is chosen.
    smoothing: label smoothing of the labelled images' cross entropy.
    window: validation images are cut into overlapping windows of this side; 0 takes them whole.
    """

    labeled: str = ""
    unlabeled: str = ""
    validation: str = ""
    smoothing: float = 0.0
    window: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=_augment)
    strong: StrongConfig = field(default_factory=StrongConfig)
    semi: UnlabeledConfig = field(default_factory=UnlabeledConfig)
    contrast: ContrastConfig = field(default_factory=ContrastConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    model: PRCLConfig = field(default_factory=_model)
    fit: FitConfig = field(default_factory=_fit)

    def __post_init__(self) -> None:
        check_at_least(self, window=0)
        if not 0 <= self.smoothing < 1:
            raise UsageError(f"smoothing is {self.smoothing}; wanted is a share from 0 to below 1.")
        if self.data.dataset != "files" and (given := self.labeled or self.unlabeled):
            raise UsageError(
                f"data.dataset {self.data.dataset} brings its own images, so that {given} would not be read; leave one "
                "of the two out."
            )
        if self.data.whole_half and self.fit.best_metric:
            raise UsageError(
                f"the best weights cannot be kept by {self.fit.best_metric}, because data.whole_half trains on the "
                'validation part too; set fit.best_metric to "".'
            )
        if self.fit.ema:
            raise UsageError(
                f"fit.ema is {self.fit.ema}; this method keeps an average of the weights itself, by semi.decay. Leave "
                "fit.ema at 0."
            )
