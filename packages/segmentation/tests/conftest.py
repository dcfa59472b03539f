"""Small rasters, and segmenters in plain numpy."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from vitrail.component import PlainComponent
from vitrail.results import Segmentation
from vitrail.specs import ComponentSpec, Inputs
from vitrail_segmentation.raster import quiet

THIRDPARTY = Path(__file__).parent / "thirdparty"
UTM = Affine(2.0, 0, 500_000, 0, -2.0, 5_400_000)


class Brightness(PlainComponent):
    """K classes by the value of the first band: class k is `value // step`. Every pixel on its own.

    `seen` collects the images that it was shown.
    """

    def __init__(
        self, classes: int = 4, bands: int | None = 1, dtypes: tuple[str, ...] = ("uint8",), step: float = 64
    ):
        inputs = Inputs(bands=bands, dtypes=dtypes)
        spec = ComponentSpec(
            id="test/brightness",
            kind="segmenter",
            target="test:Brightness",
            summary="by value",
            inputs=inputs,
        )
        super().__init__(None, spec)
        self.classes = tuple(f"class {k}" for k in range(classes))
        self.palette = np.array([(10 * k, 200 - 10 * k, 7) for k in range(classes)], dtype=np.uint8)
        self.step = step
        self.seen: list[np.ndarray] = []

    def segment(self, images, *, scores=False):
        self.seen += images
        return [self._result(self.logits(image), scores) for image in images]

    def logits(self, image):
        middles = (np.arange(len(self.classes), dtype=np.float32) + 0.5) * self.step
        return -np.abs(image[..., 0].astype(np.float32) - middles[:, None, None] + 0.5)

    def _result(self, logits, scores):
        return Segmentation(
            labels=logits.argmax(axis=0).astype(np.uint8),
            classes=self.classes,
            palette=self.palette,
            scores=logits.astype(np.float32) if scores else None,
        )

    def expected(self, image):
        return self.logits(image).argmax(axis=0).astype(np.uint8)


class Surroundings(Brightness):
    """Looks at the whole image that it is shown: brighter or darker than the image's mean, by row and column too."""

    def logits(self, image):
        values = image[..., 0].astype(np.float32)
        rows, columns = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
        return np.stack([values - values.mean(), values - rows, columns - values, rows - columns])


@pytest.fixture
def brightness():
    return Brightness


@pytest.fixture
def surroundings():
    return Surroundings


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def make_raster(tmp_path):
    """make_raster(pixels (H, W, bands), name, **profile) -> path; tiled, in UTM, unless told otherwise."""

    def make(pixels, name="scene.tif", *, mask=None, colours=None, **profile):
        path = tmp_path / name
        values = {
            "driver": "GTiff",
            "height": pixels.shape[0],
            "width": pixels.shape[1],
            "count": pixels.shape[2],
            "dtype": pixels.dtype,
            "crs": "EPSG:32633",
            "transform": UTM,
            **profile,
        }
        with quiet(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            with rasterio.open(path, "w", **{k: v for k, v in values.items() if v is not None}) as dataset:
                if colours is not None:
                    dataset.colorinterp = colours
                dataset.write(pixels.transpose(2, 0, 1))
                if mask is not None:
                    dataset.write_mask(mask)
        return path

    return make


@pytest.fixture
def read_back():
    """read_back(path) -> the labels as they are in the file, (H, W)."""

    def read(path):
        with quiet(), rasterio.open(path) as dataset:
            return dataset.read(1)

    return read


@pytest.fixture
def thirdparty_folder():
    return THIRDPARTY


@pytest.fixture
def greenness():
    """The third party's segmenter, straight from its source."""
    name = "vitrail_greenness"
    spec = importlib.util.spec_from_file_location(name, THIRDPARTY / "src" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        yield module.Greenness.from_config(spec=module.vitrail_components()[0])
    finally:
        del sys.modules[name]
