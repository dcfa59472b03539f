"""`vitrail segment INPUT... -o OUT --model ID`: any segmenter over pictures and scenes of any size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from vitrail.cli import output
from vitrail.errors import InputError, UsageError

if TYPE_CHECKING:
    from vitrail.interfaces import Segmenter
    from vitrail.specs import ComponentSpec
    from vitrail_segmentation.segment import SceneResult

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
TILES_AT_ONCE_ON_GPU = 8

USAGE = "Usage: vitrail segment INPUT... -o OUT --model ID [FLAGS]"
MORE = (
    "The labels have the size, the CRS and the transform of the input, a colour table and class names; masked pixels "
    "are 255. A run that was killed continues when the same command is given again."
)

app = App(
    name="segment",
    usage=USAGE,
    help_format="plaintext",
    help_epilogue=MORE,
    result_action="return_value",
    version_flags=[],
)


@app.default
def segment(
    inputs: Annotated[list[Path], Parameter(name="INPUT", negative="")],
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    model: Annotated[str, Parameter(name=["--model", "-m"])],
    weights: str | None = None,
    device: str | None = None,
    tile: int | None = None,
    overlap: float = 0.25,
    batch: int | None = None,
    bands: str | None = None,
    format: Literal["gtiff", "cog", "png"] | None = None,
    vector: Path | None = None,
    overlay: Path | None = None,
    resume: bool = True,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Label every pixel of pictures and satellite scenes, of any size, with any segmenter.

    Args:
        inputs: GeoTIFF or another raster, PNG, JPEG. One or several.
        out: labels to write, .tif or .png; a folder for several inputs.
        model: a segmenter as plugin/variant; `vitrail plugins list` shows those that are installed.
        weights: a folder with weights; those of the package by default.
        device: cpu, cuda, cuda:1, mps.
        tile: side of the square windows that the model sees, in pixels. [default: 512]
        overlap: fraction of a tile that it shares with its neighbour.
        batch: tiles at once. [default: 8 on a GPU, 1 on a CPU]
        bands: bands of the input in the model's order, for instance 4,3,2; counted from 1.
        format: gtiff, cog (cloud-optimised, with overviews) or png; by the name of OUT if not given.
        vector: also write polygons, .gpkg or .geojson.
        overlay: also write a picture of the labels over the input; pictures get one beside OUT by themselves.
        resume: continue what an earlier run left; --no-resume starts again.
        json: print the result as JSON.
    """
    from vitrail_segmentation.progress import Bar
    from vitrail_segmentation.segment import DEFAULT_TILE, segment_scene

    jobs = plan_outputs(inputs, out, format, vector, overlay)
    chosen = parse_bands(bands)
    segmenter = load_segmenter(model, weights, device)
    if batch is None:
        several = segmenter.spec.capabilities.batched and not segmenter.device.startswith("cpu")
        batch = TILES_AT_ONCE_ON_GPU if several else 1
    results, failed = [], 0
    for source, target, picture in jobs:
        try:
            with Bar() as report:
                result = segment_scene(
                    segmenter,
                    source,
                    target,
                    tile=max(segmenter.spec.inputs.size or (DEFAULT_TILE,)) if tile is None else tile,
                    overlap=overlap,
                    batch=batch,
                    bands=chosen,
                    format=format,
                    vector=vector,
                    overlay=picture,
                    resume=resume,
                    weights=fingerprint(weights, segmenter.spec),
                    report=report,
                )
        except InputError as error:
            if len(jobs) == 1:
                raise
            output.error(str(error))
            failed += 1
            continue
        results.append(result)
        if not json:
            show(result)
    if json:
        output.print_json([result.as_dict() for result in results])
    if failed:
        raise InputError(f"{failed} of {len(jobs)} inputs could not be segmented.")


def load_segmenter(model: str, weights: str | None, device: str | None) -> Segmenter:
    """The component, or an error that says what else the id is."""
    from vitrail.loading import find_component, load

    spec = find_component(model)
    if spec.kind != "segmenter":
        raise UsageError(f"{model} is a {spec.kind}; `vitrail segment` wants a segmenter.")
    return load(model, weights=weights, device=device)


def parse_bands(text: str | None) -> tuple[int, ...] | None:
    """ "4,3,2" -> (4, 3, 2)."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--bands is {text!r}; wanted are numbers with commas between, for instance 4,3,2."
        ) from error


def plan_outputs(
    inputs: list[Path], out: Path, format: str | None, vector: Path | None, overlay: Path | None
) -> list[tuple[Path, Path, Path | None]]:
    """(input, labels, overlay or None) of every input; UsageError where names collide."""
    folder = len(inputs) > 1 or out.is_dir() or out.suffix == ""
    if len(inputs) > 1 and (vector or overlay):
        flag = "--vector" if vector else "--overlay"
        raise UsageError(
            f"{flag} names one file, and {len(inputs)} inputs were given: give them one at a time."
        )
    if folder and len(inputs) > 1 and out.suffix and not out.is_dir():
        raise UsageError(f"{len(inputs)} inputs were given; {out} should be a folder for their labels.")
    jobs = []
    for source in inputs:
        is_picture = source.suffix.lower() in PICTURE_SUFFIXES
        suffix = (
            (".png" if is_picture else ".tif") if format is None else (".png" if format == "png" else ".tif")
        )
        target = out / f"{source.stem}{suffix}" if folder else out
        beside = target.with_name(f"{target.stem}_overlay.png") if is_picture else None
        jobs.append((source, target, overlay or beside))
    targets = [target for _, target, _ in jobs]
    twice = next((target for target in targets if targets.count(target) > 1), None)
    if twice is not None:
        raise UsageError(
            f"Two inputs would both be written to {twice}: rename one, or give them one at a time."
        )
    return jobs


def fingerprint(weights: str | None, spec: ComponentSpec) -> str:
    """Text that changes when the weights do, given ones or those that the component has by itself."""
    from vitrail.loading import default_weights

    folder = default_weights(spec) if weights is None else Path(weights)
    if folder is None or not folder.is_dir():
        return weights or ""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    return "; ".join([str(folder.resolve()), *parts])


def show(result: SceneResult) -> None:
    """A table of classes on stdout, and on stderr what was written where."""
    labelled = max(sum(result.pixels), 1)
    names, counts = [*result.classes], [*result.pixels]
    shares = [f"{100 * count / labelled:.2f} %" for count in counts]
    if result.unlabelled:
        names, counts, shares = [*names, "(no label)"], [*counts, result.unlabelled], [*shares, ""]
    table = {"class": names, "pixels": [f"{count:,}" for count in counts], "share": shares}
    if result.pixel_area is not None:
        table["hectares"] = [f"{count * result.pixel_area / 1e4:,.2f}" for count in counts]
    for head in [*table][1:]:
        width = max(map(len, [head, *table[head]]))
        table[head] = [text.rjust(width) for text in table[head]]
    output.print_table([*table], [*zip(*table.values(), strict=True)], title=str(result.input))
    polygons = f" ({result.polygons:,} polygons)" if result.polygons is not None else ""
    extras = [f"{result.vector}{polygons}" if result.vector else "", str(result.overlay or "")]
    written = ", ".join([str(result.output), *filter(None, extras)])
    area = result.height * result.width
    output.say(
        f"Wrote {written}. {result.width:,} x {result.height:,} pixels in {result.seconds:.1f} s "
        f"({area / 1e6 / max(result.seconds, 1e-9):.1f} megapixels/s)."
    )
