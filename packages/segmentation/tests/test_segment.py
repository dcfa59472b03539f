"""The driver: labels are right at every pixel, whatever the size, the tiles and the file."""

from __future__ import annotations

import os

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from vitrail.errors import BrokenError, InputError, UsageError
from vitrail.results import Segmentation
from vitrail_segmentation import labeller
from vitrail_segmentation.labeller import RowLabeller, fill_invalid
from vitrail_segmentation.raster import quiet
from vitrail_segmentation.scene import ArrayScene
from vitrail_segmentation.segment import segment_array, segment_scene
from vitrail_segmentation.tiling import Grid


@pytest.fixture
def image(rng):
    return rng.integers(0, 255, (150, 210, 1)).astype(np.uint8)


@pytest.mark.parametrize("tile", [16, 50, 64, 150, 1000])
@pytest.mark.parametrize("overlap", [0, 0.25, 0.6])
@pytest.mark.parametrize("batch", [1, 3])
def test_pointwise_model_in_tiles_equals_whole(brightness, image, tile, overlap, batch):
    model = brightness()
    found = segment_array(model, image, tile=tile, overlap=overlap, batch=batch)
    np.testing.assert_array_equal(found.labels, model.expected(image))
    assert found.classes == model.classes
    np.testing.assert_array_equal(found.palette, model.palette)


@pytest.mark.parametrize("shape", [(150, 210), (64, 64), (3, 7), (1, 90)])
def test_one_tile_that_covers_the_image_equals_the_model_itself(surroundings, rng, shape):
    model = surroundings()
    image = rng.integers(0, 255, (*shape, 1)).astype(np.uint8)
    whole = model.segment([image])[0].labels
    np.testing.assert_array_equal(segment_array(model, image, tile=max(shape)).labels, whole)
    if min(shape) > 16:
        assert (segment_array(model, image, tile=16).labels != whole).any()


@pytest.mark.parametrize("tile", [5, 8])
def test_marked_pixel_lands_at_its_place_for_every_remainder(brightness, tile):
    for height in range(1, 2 * tile + 2):
        for width in (1, tile - 1, tile, tile + 1, 2 * tile + 1):
            for row, column in {(0, 0), (height - 1, width - 1), (height // 2, width // 2), (height - 1, 0)}:
                for shape, place in (((height, width), (row, column)), ((width, height), (column, row))):
                    image = np.zeros((*shape, 1), np.uint8)
                    image[place] = 255
                    labels = segment_array(brightness(), image, tile=tile).labels
                    assert np.argwhere(labels == 3).tolist() == [list(place)]


def test_every_window_is_at_most_a_tile_and_inside(brightness, image):
    model = brightness()
    segment_array(model, image, tile=64)
    assert {seen.shape for seen in model.seen} == {(64, 64, 1)}
    rows = [rows for _, rows in RowLabeller(brightness(), ArrayScene(image), Grid(150, 210, 64)).rows()]
    assert [len(part) for part in rows] == [48, 38, 64]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_files_of_all_types(brightness, make_raster, read_back, tmp_path, rng, dtype):
    pixels = rng.integers(0, 250, (70, 90, 2)).astype(dtype)
    model = brightness(bands=2, dtypes=(np.dtype(dtype).name,))
    result = segment_scene(model, make_raster(pixels), tmp_path / "out.tif", tile=32)
    np.testing.assert_array_equal(read_back(tmp_path / "out.tif"), model.expected(pixels))
    assert all(seen.dtype == dtype for seen in model.seen)
    assert sum(result.pixels) == 70 * 90
    assert result.pixels == tuple(np.bincount(model.expected(pixels).ravel(), minlength=4))
    assert sorted(os.listdir(tmp_path)) == ["out.tif", "scene.tif"]


@pytest.mark.parametrize("shape", [(1, 100), (100, 1), (1, 1), (33, 65), (32, 64), (64, 33)])
def test_sizes_with_remainders(brightness, make_raster, read_back, tmp_path, rng, shape):
    pixels = rng.integers(0, 250, (*shape, 1)).astype(np.uint8)
    model = brightness()
    segment_scene(model, make_raster(pixels), tmp_path / "out.tif", tile=32)
    np.testing.assert_array_equal(read_back(tmp_path / "out.tif"), model.expected(pixels))


PLACES = {
    "north-up": {},
    "south-up": {"transform": Affine(2, 0, 5e5, 0, 2, 54e5)},
    "rotated": {"transform": Affine(1.5, 0.4, 7, 0.3, -1.2, 9)},
    "no CRS": {"crs": None},
    "nothing": {"crs": None, "transform": None},
}


@pytest.mark.parametrize("place", PLACES)
def test_output_lies_where_the_input_lies(brightness, make_raster, tmp_path, image, place):
    path = make_raster(image, **PLACES[place])
    segment_scene(brightness(), path, tmp_path / "out.tif", tile=64)
    with quiet(), rasterio.open(path) as given, rasterio.open(tmp_path / "out.tif") as found:
        assert found.crs == given.crs
        assert found.transform.almost_equals(given.transform)
        assert found.shape == given.shape
        assert found.nodata == 255
        assert found.tags()["CLASS_NAMES"] == '["class 0", "class 1", "class 2", "class 3"]'
        assert found.colormap(1)[2] == (20, 180, 7, 255)


def test_control_points_are_kept(brightness, make_raster, tmp_path, image):
    points = [
        rasterio.control.GroundControlPoint(*v) for v in [(0, 0, 8, 50), (0, 210, 9, 50), (150, 0, 8, 49)]
    ]
    path = make_raster(image, transform=None, gcps=points, crs="EPSG:4326")
    segment_scene(brightness(), path, tmp_path / "out.tif")
    with quiet(), rasterio.open(tmp_path / "out.tif") as found:
        gcps, crs = found.gcps
    assert [(p.row, p.col, p.x, p.y) for p in gcps] == [(p.row, p.col, p.x, p.y) for p in points]
    assert crs.to_epsg() == 4326


@pytest.mark.parametrize("how", ["nodata", "nan", "mask", "alpha"])
def test_masked_pixels_are_unlabelled_and_the_model_sees_the_mean_there(
    brightness, make_raster, read_back, tmp_path, rng, how
):
    keep = np.ones((100, 140), bool)
    keep[20:60, 10:50] = False
    keep[:, 100:] = False
    keep[0, 0] = False
    values = np.where(keep, rng.integers(60, 70, keep.shape), 9)[..., None]
    options, dtype = {}, np.uint8
    if how == "nodata":
        dtype, options = np.int16, {"nodata": -32768}
        values = np.where(keep[..., None], values, -32768)
    elif how == "nan":
        dtype, values = np.float32, np.where(keep[..., None], values, np.nan)
    elif how == "mask":
        options = {"mask": keep.astype(np.uint8) * 255}
    else:
        values = np.concatenate([values, keep[..., None] * 255], axis=2)
        options = {"colours": (ColorInterp.gray, ColorInterp.alpha)}
    model = brightness(dtypes=(np.dtype(dtype).name,))
    path = make_raster(values.astype(dtype), **options)
    result = segment_scene(model, path, tmp_path / "out.tif", tile=32)
    labels = read_back(tmp_path / "out.tif")
    np.testing.assert_array_equal(labels == 255, ~keep)
    np.testing.assert_array_equal(labels[keep], model.expected(values)[keep])
    assert result.unlabelled == (~keep).sum()
    assert all(seen.min() >= 60 and seen.max() < 70 for seen in model.seen)
    tiles = Grid(100, 140, 32)
    empty = sum(
        not keep[top : top + 32, left : left + 32].any() for top in tiles.rows for left in tiles.columns
    )
    assert empty >= 2
    assert len(model.seen) == len(tiles.rows) * len(tiles.columns) - empty


def test_scene_without_a_valid_pixel_never_asks_the_model(brightness, make_raster, read_back, tmp_path):
    model = brightness(dtypes=("float32",))
    segment_scene(model, make_raster(np.full((40, 50, 1), np.nan, np.float32)), tmp_path / "out.tif", tile=16)
    assert (read_back(tmp_path / "out.tif") == 255).all()
    assert not model.seen


def test_fill_invalid():
    pixels = np.array([[[1, 10], [4, 20], [99, 99]]], np.uint8)
    fill_invalid(pixels, np.array([[True, True, False]]))
    assert pixels.tolist() == [[[1, 10], [4, 20], [2, 15]]]
    fill_invalid(pixels, np.array([[True, False, False]]), fill=(7, 0))
    assert pixels.tolist() == [[[1, 10], [7, 0], [7, 0]]]


def test_a_segmenter_names_what_it_sees_without_data(brightness, make_raster, tmp_path):
    model = brightness(dtypes=("float32",))
    model.fill_values = (0.25,)
    scene = np.full((6, 6, 1), np.nan, np.float32)
    scene[:3] = 0.75
    segment_scene(model, make_raster(scene), tmp_path / "out.tif", tile=16)
    assert [np.unique(image).tolist() for image in model.seen] == [[0.25, 0.75]]


def test_a_segmenter_names_the_dtypes_that_its_weights_want(brightness, make_raster, tmp_path):
    scene = make_raster(np.full((6, 6, 1), 1000, np.uint16))
    stretched, raw = brightness(dtypes=("uint8",)), brightness(dtypes=("uint8",))
    raw.dtypes = ("uint16",)
    for model in (stretched, raw):
        segment_scene(model, scene, tmp_path / "out.tif", tile=16)
    assert stretched.seen[0].dtype == np.uint8
    assert raw.seen[0].dtype == np.uint16


def test_pixels_that_the_model_leaves_open_stay_open(brightness, make_raster, read_back, tmp_path, image):
    class Careful(brightness):
        def _result(self, logits, scores):
            result = super()._result(logits, scores)
            open_ = np.where(result.labels == 2, 254, result.labels)
            return Segmentation(labels=open_, classes=self.classes, scores=result.scores, ignore=254)

    model = Careful()
    segment_scene(model, make_raster(image), tmp_path / "out.tif", tile=64)
    expected = model.expected(image)
    np.testing.assert_array_equal(read_back(tmp_path / "out.tif"), np.where(expected == 2, 255, expected))


def test_pictures(greenness, tmp_path, rng, read_back):
    image = rng.integers(0, 255, (40, 60, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "photo.png")
    result = segment_scene(
        greenness, tmp_path / "photo.png", tmp_path / "out.png", tile=32, overlay=tmp_path / "over.png"
    )
    np.testing.assert_array_equal(read_back(tmp_path / "out.png"), greenness.segment([image])[0].labels)
    assert result.pixel_area is None
    with Image.open(tmp_path / "over.png") as over:
        assert over.height >= 40 * 6  # small pictures are enlarged
    assert sorted(os.listdir(tmp_path)) == ["out.png", "over.png", "photo.png"]


def test_all_outputs_at_once(greenness, make_raster, tmp_path, rng):
    image = rng.integers(0, 255, (60, 80, 3)).astype(np.uint8)
    files = {"vector": tmp_path / "p.geojson", "overlay": tmp_path / "o.png"}
    result = segment_scene(
        greenness, make_raster(image), tmp_path / "out.tif", tile=32, format="cog", **files
    )
    assert sorted(os.listdir(tmp_path)) == ["o.png", "out.tif", "p.geojson", "scene.tif"]
    assert result.polygons > 0
    values = result.as_dict()
    assert values["pixel_area_m2"] == 4
    assert sum(entry["share"] for entry in values["classes"]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("output", "options", "said"),
    [
        ("scene.tif", {}, "scene.tif is the input itself"),
        ("out.jpg", {}, "ends in '.jpg'; labels are written as .tif or .png"),
        ("out.png", {"format": "cog"}, "should end in .tif"),
        ("out.tif", {"format": "png"}, "should end in .png"),
        ("out.tif", {"vector": "x.shp"}, "polygons are written as .gpkg or .geojson"),
        ("out.tif", {"overlay": "x.tif"}, "overlay is written as .png"),
        ("out.tif", {"tile": 0}, "--tile is 0"),
        ("out.tif", {"overlap": 1}, "--overlap is 1"),
        ("out.tif", {"batch": 0}, "--batch is 0"),
        ("out.tif", {"bands": (2,)}, "--bands asks for 2"),
    ],
)
def test_wrong_requests_are_refused_at_once(brightness, make_raster, tmp_path, image, output, options, said):
    model = brightness()
    path = make_raster(image)
    with pytest.raises(UsageError, match=said):
        segment_scene(model, path, tmp_path / output, **options)
    assert not model.seen
    assert os.listdir(tmp_path) == ["scene.tif"]


def test_truncated_input_leaves_nothing(brightness, make_raster, tmp_path, rng):
    pixels = rng.integers(0, 255, (256, 256, 1)).astype(np.uint8)
    path = make_raster(pixels, tiled=True, blockxsize=64, blockysize=64)
    path.write_bytes(path.read_bytes()[:40_000])
    model = brightness()
    with pytest.raises(InputError, match=r"scene.tif is damaged"):
        segment_scene(model, path, tmp_path / "out.tif", tile=32)
    assert model.seen
    assert os.listdir(tmp_path) == ["scene.tif"]


def with_result(brightness, change):
    class Wrong(brightness):
        def segment(self, images, *, scores=False):
            return change(super().segment(images, scores=scores))

    return Wrong()


def test_models_that_break_the_contract_are_named(brightness, make_raster, tmp_path, image):
    def without_scores(results):
        return [Segmentation(labels=r.labels, classes=r.classes) for r in results]

    def with_nan(results):
        results[0].scores[1, 3, 4] = np.nan
        return results

    def smaller(results):
        return [
            Segmentation(labels=r.labels[:-1], classes=r.classes, scores=r.scores[:, :-1]) for r in results
        ]

    path = make_raster(image)
    for change, said in (
        (without_scores, "test/brightness gave no scores"),
        (with_nan, "scores that are nan or infinite"),
        (smaller, r"scores of shape \(4, 63, 64\); wanted is \(4, 64, 64\)"),
        (lambda results: results[:-1], "gave 0 results for 1 images"),
    ):
        with pytest.raises(BrokenError, match=said):
            segment_scene(with_result(brightness, change), path, tmp_path / "out.tif", tile=64)
        assert os.listdir(tmp_path) == ["scene.tif"]


def test_bands_may_be_decided_by_the_weights(brightness, make_raster, tmp_path, rng):
    pixels = rng.integers(0, 255, (20, 20, 3)).astype(np.uint8)
    model = brightness(bands=None)
    segment_scene(model, make_raster(pixels, photometric="minisblack"), tmp_path / "out.tif")
    assert model.seen[0].shape == (20, 20, 3)
    model.bands = 5
    with pytest.raises(InputError, match="test/brightness takes 5"):
        segment_scene(model, tmp_path / "scene.tif", tmp_path / "out.tif")


def test_memory_is_one_row_of_tiles(brightness, monkeypatch):
    made = []

    class Spy(labeller.RowBuffer):
        def __init__(self, classes, grid):
            super().__init__(classes, grid)
            made.append(self)

    monkeypatch.setattr(labeller, "RowBuffer", Spy)
    segment_array(brightness(), np.zeros((400, 40, 1), np.uint8), tile=32)
    (buffer,) = made
    assert buffer._logits.shape == (32, 4, 40)
    assert buffer._logits.dtype == np.float16
