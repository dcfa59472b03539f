"""From a run's config to its data: labelled images beside unlabelled ones, and those to choose the best weights by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail_prcl.config import PRCLConfig
from vitrail_prcl.data.crops import PictureCrops
from vitrail_prcl.data.folders import labelled_folder, unlabelled_folder
from vitrail_prcl.data.indian_pines import load_indian_pines
from vitrail_prcl.data.lists import open_list
from vitrail_prcl.data.pictures import TIFF, Pictures
from vitrail_prcl.data.scenes import ground, open_scene
from vitrail_prcl.data.sparse import keep_blocks
from vitrail_prcl.train_config import TrainConfig
from vitrail_segmentation.labelled_scene import LabelledScene
from vitrail_segmentation.landsat import load_landsat, part_of
from vitrail_segmentation.palettes import IGNORE, Palette
from vitrail_segmentation.raster import open_raster
from vitrail_segmentation.samples import Case
from vitrail_segmentation.scene_set import SceneSet


class Crops(Protocol):
    """What PictureCrops and SceneSet have in common."""

    def __len__(self) -> int: ...

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]: ...

    def cases(self, start: int = 0, step: int = 1) -> Iterator[Case]: ...


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Pairs of a labelled and an unlabelled image, and the network's config as the data make it.

    unlabeled: None where a run has no use for them. An epoch walks through the larger of the two; of the other one an
    image is drawn at random each time.
    """

    labeled: Crops
    unlabeled: Crops | None
    validation: Crops | None
    model: PRCLConfig

    def __len__(self) -> int:
        return max(len(self.labeled), len(self.unlabeled or ()))

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """{"image": (bands, crop, crop), "labels": (crop, crop)}, and of an unlabelled image "unlabeled" likewise and
        "seen": (crop, crop) bool, where it has a pixel with data."""
        found = self.labeled.sample(_place(index, self.labeled, rng), rng)
        if self.unlabeled is None:
            return found
        other = self.unlabeled.sample(_place(index, self.unlabeled, rng), rng)
        return {**found, "unlabeled": other["image"], "seen": other["labels"] != IGNORE}

    def cases(self, start: int = 0, step: int = 1) -> Iterator[Case]:
        """The validation images, of which several processes share the work."""
        if self.validation is not None:
            yield from self.validation.cases(start, step)


def _place(index: int, crops: Crops, rng: np.random.Generator) -> int:
    return index if index < len(crops) else int(rng.integers(len(crops)))


def open_training_set(config: TrainConfig) -> TrainingSet:
    """Open what a run reads from. Raises UsageError or InputError with what is wrong and what to do."""
    if config.data.dataset == "files" and not _is_raster(config.labeled):
        return _pictures(config)
    return _scene(config)


def open_labelled(source: str, root: str, *, palette: Palette | None = None) -> Pictures:
    """Labelled images: a folder with images/ and masks/, or a list of what is in `root`."""
    path = Path(source)
    if path.is_dir():
        return labelled_folder(path, palette=palette)
    return open_list(_root(path, root), path, palette=palette)


def open_unlabelled(source: str, root: str) -> Pictures:
    """Images without labels: a folder of pictures at any depth, or a list of what is in `root`."""
    path = Path(source)
    if path.is_dir():
        return unlabelled_folder(path)
    return open_list(_root(path, root), path, labelled=False)


def _root(path: Path, root: str) -> Path:
    if not path.is_file():
        raise UsageError(
            f"{path} is neither a folder nor a file; wanted is a folder of images, or a list of them."
        )
    if not root:
        raise UsageError(
            f"{path} is a list of images; say which folder it is about, by root (--data.root in training)."
        )
    return Path(root)


def _pictures(config: TrainConfig) -> TrainingSet:
    if not config.labeled:
        raise UsageError(
            "there are no labelled images; give a folder with images/ and masks/ in it, by --labeled."
        )
    data = config.data
    labeled = open_labelled(config.labeled, data.root)
    unlabeled = (
        open_unlabelled(config.unlabeled, data.root)
        if config.unlabeled
        else Pictures(items=tuple(item._replace(mask=None) for item in labeled.items))
    )
    assert labeled.palette is not None
    model = fitted(config.model, labeled.palette, unlabeled)
    return TrainingSet(
        labeled=_crops(labeled, config, model),
        unlabeled=_crops(unlabeled, config, model) if config.semi.method != "none" else None,
        validation=_validation(config, labeled.palette, model),
        model=model,
    )


def fitted(model: PRCLConfig, palette: Palette, pictures: Pictures) -> PRCLConfig:
    """The network's config with the classes and bands of the data.

    Three bands of uint8 are normalised as the config says, by ImageNet's numbers unless others were given; any others
    by their own. Raises UsageError where the config names other classes than the data have.
    """
    usual = PRCLConfig()
    if model.classes not in (usual.classes, palette.classes):
        raise UsageError(
            f"the model has the classes {', '.join(model.classes)}; the data have {', '.join(palette.classes)}."
        )
    found = pictures.statistics()
    bands = len(found.mean)
    if bands == 3 and found.dtype == "uint8" and model.bands == 3:
        mean, std = model.mean, model.std
    else:
        mean, std = found.mean, found.std
    return replace(
        model,
        classes=palette.classes,
        palette=palette.colours,
        bands=bands,
        mean=mean,
        std=std,
        dtypes=(found.dtype,),
    )


def _require_files(pictures: Pictures, source: str) -> None:
    """What is missing among the validation images is said now, not after an hour of training."""
    for item in pictures.items:
        for path in (item.image, item.mask):
            if path is not None and not path.exists():
                raise UsageError(f"{path}, of the validation images in {source}, does not exist.")


def _is_raster(source: str) -> bool:
    return Path(source).suffix.lower() in TIFF


def _scene(config: TrainConfig) -> TrainingSet:
    data, dtype = config.data, "float32"
    if data.dataset == "landsat":
        way = "reverse" if data.reverse else "forward"
        whole = load_landsat()
        training = part_of(whole, "half" if data.whole_half else "train", way)
        labelled, validation = _kept(training, config), part_of(whole, "validation", way)
    elif data.dataset == "indian-pines":
        training = load_indian_pines()
        labelled, validation = _kept(training, config), None
    else:
        if not data.labels:
            raise UsageError(f"{config.labeled} is one image; give its label raster by --data.labels.")
        training = open_scene(Path(config.labeled), Path(data.labels))
        labelled, validation = training, None
        with open_raster(config.labeled) as dataset:
            dtype = dataset.dtypes[0]
    mean, std = training.statistics()

    def crops(part: LabelledScene) -> SceneSet:
        return SceneSet(part, mean=mean, std=std, augment=config.augment, length=data.length)

    model = replace(
        config.model,
        classes=training.palette.classes,
        palette=training.palette.colours,
        bands=len(training.bands),
        mean=mean,
        std=std,
        dtypes=(dtype,),
    )
    return TrainingSet(
        labeled=crops(labelled),
        unlabeled=crops(ground(training)) if config.semi.method != "none" else None,
        validation=_validation(config, training.palette, model)
        or (crops(validation) if validation else None),
        model=model,
    )


def _validation(config: TrainConfig, palette: Palette, model: PRCLConfig) -> PictureCrops | None:
    if not config.validation:
        return None
    found = open_labelled(config.validation, config.data.root, palette=palette)
    _require_files(found, config.validation)
    return _crops(found, config, model)


def _crops(pictures: Pictures, config: TrainConfig, model: PRCLConfig) -> PictureCrops:
    alike = replace(pictures, bands=model.bands, dtype=model.dtypes[0])
    return PictureCrops(alike, mean=model.mean, std=model.std, augment=config.augment)


def _kept(scene: LabelledScene, config: TrainConfig) -> LabelledScene:
    data = config.data
    return keep_blocks(scene, data.share, seed=data.blocks_seed, block=data.block)
