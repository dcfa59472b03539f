"""The driver: any segmenter over an image of any size, in tiles, continued where a run was cut off."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError, VitrailError
from vitrail.interfaces import Segmenter
from vitrail.results import Segmentation, save_image
from vitrail_segmentation.geotiff import IGNORE, Format, write_label_file
from vitrail_segmentation.labeller import RowLabeller
from vitrail_segmentation.partial import Partial
from vitrail_segmentation.progress import Reporter, Silent
from vitrail_segmentation.scene import ArrayScene, Scene, open_scene, sample_positions
from vitrail_segmentation.tiling import Grid
from vitrail_segmentation.vector import check_ending, write_polygons

OVERLAY_SIDE = 2048
DEFAULT_TILE = 512
SUFFIXES: dict[str, Format] = {".tif": "gtiff", ".tiff": "gtiff", ".png": "png"}


@dataclass(frozen=True, kw_only=True)
class SceneResult:
    """What was written. pixels: of each class; unlabelled: pixels that are masked or that the model left open.

    pixel_area: square metres, None where unknown. continued_at: image rows that an earlier run had finished.
    """

    input: Path
    output: Path
    vector: Path | None
    overlay: Path | None
    height: int
    width: int
    classes: tuple[str, ...]
    pixels: tuple[int, ...]
    unlabelled: int
    pixel_area: float | None
    seconds: float
    continued_at: int
    polygons: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        labelled = max(sum(self.pixels), 1)
        named = zip(self.classes, self.pixels, strict=True)
        return {
            "input": str(self.input),
            "output": str(self.output),
            "vector": str(self.vector) if self.vector else None,
            "overlay": str(self.overlay) if self.overlay else None,
            "height": self.height,
            "width": self.width,
            "classes": [
                {"id": k, "name": name, "pixels": count, "share": count / labelled}
                for k, (name, count) in enumerate(named)
            ],
            "unlabelled": self.unlabelled,
            "pixel_area_m2": self.pixel_area,
            "polygons": self.polygons,
            "seconds": round(self.seconds, 3),
            "continued_at_row": self.continued_at,
        }


def segment_array(
    segmenter: Segmenter,
    image: NDArray[Any],
    *,
    valid: NDArray[np.bool_] | None = None,
    tile: int = DEFAULT_TILE,
    overlap: float = 0.25,
    batch: int = 1,
) -> Segmentation:
    """Segment an image (H, W, bands) in memory, tile by tile. Pixels that are not `valid` (H, W) become 255."""
    scene = ArrayScene(image, valid)
    labeller = RowLabeller(segmenter, scene, Grid(scene.height, scene.width, tile, overlap), batch)
    labels = np.concatenate([rows for _, rows in labeller.rows()])
    return Segmentation(
        labels=labels, classes=tuple(segmenter.classes), palette=labeller.colours(), ignore=IGNORE
    )


def segment_scene(
    segmenter: Segmenter,
    path: Path | str,
    output: Path | str,
    *,
    tile: int = DEFAULT_TILE,
    overlap: float = 0.25,
    batch: int = 1,
    bands: Sequence[int] | None = None,
    format: Format | None = None,
    vector: Path | str | None = None,
    overlay: Path | str | None = None,
    resume: bool = True,
    weights: str = "",
    report: Reporter | None = None,
) -> SceneResult:
    """Segment a raster or picture file of any size and write its labels.

    The file is read in windows of `tile` pixels that share the fraction `overlap` with their neighbours; logits are
    blended, and only one row of tiles is in memory. Finished rows are kept in a folder beside `output` until all is
    done. A run that was killed continues from them if input, segmenter, `weights` (any text that tells weights
    apart), tile, overlap and bands are the same.

    format: by the ending of `output` where None. vector: also write polygons; overlay: also write a picture.
    Errors that a person can mend are VitrailErrors, and leave nothing behind.
    """
    path, output = Path(path), Path(output)
    vector, overlay = (Path(extra) if extra else None for extra in (vector, overlay))
    report = Silent() if report is None else report
    format = check_output(path, output, format)
    if vector is not None:
        check_ending(vector)
    if overlay is not None and overlay.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise UsageError(
            f"{overlay} ends in {overlay.suffix!r}; an overlay is written as .png, .jpg or .webp."
        )
    began = time.monotonic()
    with open_scene(
        path,
        wanted_by=segmenter.spec.id,
        bands_wanted=bands_wanted(segmenter),
        dtypes=dtypes_wanted(segmenter),
        bands=bands,
        tile=tile,
        note=report.note,
    ) as scene:
        grid = Grid(scene.height, scene.width, tile, overlap)
        labeller = RowLabeller(segmenter, scene, grid, batch, report)
        partial = Partial(output, scene.width, _made_from(path, segmenter, weights, grid, bands))
        partial.start(height=scene.height, resume=resume, note=report.note)
        continued_at = partial.image_rows
        try:
            labeller.palette = partial.palette
            for row, labels in labeller.rows(partial.next_row):
                partial.palette = labeller.palette
                partial.append(labels, row + 1)
            colours = labeller.colours()
            counts = _write_output(partial, scene, segmenter.classes, colours, format)
            polygons = None
            if vector is not None:
                report.note(f"Writing {vector}.")
                polygons = write_polygons(
                    vector, partial.labels(), classes=segmenter.classes, georeference=scene.georeference
                )
            if overlay is not None:
                _write_overlay(overlay, scene, partial.labels(), segmenter.classes, colours)
        except VitrailError:
            partial.discard()
            raise
        except BaseException:
            if partial.image_rows:
                partial.close()
                report.note(
                    f"{partial.image_rows:,} finished rows are kept; the same command continues from there."
                )
            else:
                partial.discard()
            raise
        partial.discard()
        return SceneResult(
            input=path,
            output=output,
            vector=vector,
            overlay=overlay,
            height=scene.height,
            width=scene.width,
            classes=tuple(segmenter.classes),
            pixels=tuple(int(count) for count in counts[: len(segmenter.classes)]),
            unlabelled=int(counts[IGNORE]),
            pixel_area=scene.georeference.pixel_area(),
            seconds=time.monotonic() - began,
            continued_at=continued_at,
            polygons=polygons,
        )


def bands_wanted(segmenter: Segmenter) -> int | None:
    """How many bands a segmenter takes: its attribute `bands` where the weights decide, else what its spec says."""
    return getattr(segmenter, "bands", None) or segmenter.spec.inputs.bands


def dtypes_wanted(segmenter: Segmenter) -> tuple[str, ...]:
    """Which numpy dtypes a segmenter takes: its attribute `dtypes` where the weights decide, else its spec's."""
    return getattr(segmenter, "dtypes", None) or segmenter.spec.inputs.dtypes


def check_output(path: Path, output: Path, format: Format | None) -> Format:
    """The format to write, or UsageError where the name of the output does not fit it."""
    by_name = SUFFIXES.get(output.suffix.lower())
    if by_name is None:
        raise UsageError(f"{output} ends in {output.suffix!r}; labels are written as .tif or .png.")
    if format is not None and (format == "png") != (by_name == "png"):
        wanted = ".png" if format == "png" else ".tif"
        raise UsageError(f"The format is {format} and the output {output}; its name should end in {wanted}.")
    if output.exists() and path.exists() and output.samefile(path):
        raise UsageError(f"{output} is the input itself; choose another name for the labels.")
    return format or by_name


def _made_from(
    path: Path, segmenter: Segmenter, weights: str, grid: Grid, bands: Sequence[int] | None
) -> dict[str, Any]:
    stat = path.stat()
    return {
        "input": str(path.resolve()),
        "size of the input": stat.st_size,
        "time of the input": stat.st_mtime_ns,
        "pixels": [grid.height, grid.width],
        "model": segmenter.spec.id,
        "weights": weights,
        "device": str(segmenter.device),
        "classes": list(segmenter.classes),
        "bands": list(bands) if bands is not None else None,
        "tile": grid.tile,
        "overlap": grid.overlap,
    }


def _write_output(
    partial: Partial, scene: Scene, classes: Sequence[str], colours: NDArray[np.uint8], format: Format
) -> NDArray[np.int64]:
    final = partial.folder / f"final{partial.output.suffix}"
    counts = write_label_file(
        final,
        partial.rows,
        (scene.height, scene.width),
        classes=classes,
        palette=colours,
        georeference=scene.georeference,
        format=format,
        shown_as=partial.output,
    )
    with final.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(final, partial.output)
    return counts


def _write_overlay(
    path: Path, scene: Scene, labels: NDArray[np.uint8], classes: Sequence[str], colours: NDArray[np.uint8]
) -> None:
    from vitrail_segmentation.render import overlay_with_legend, rgb_preview

    pixels, valid = scene.preview(OVERLAY_SIDE)
    rows = sample_positions(scene.height, pixels.shape[0])
    columns = sample_positions(scene.width, pixels.shape[1])
    small = Segmentation(
        labels=labels[np.ix_(rows, columns)], classes=tuple(classes), palette=colours, ignore=IGNORE
    )
    save_image(path, overlay_with_legend(rgb_preview(pixels, valid), small))
