"""`vitrail prcl ...`: the verbs that only this method has."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from vitrail.cli import output
from vitrail.errors import UsageError

if TYPE_CHECKING:
    from vitrail_prcl.data.pictures import Pictures
    from vitrail_prcl.segmenter import PRCLSegmenter

DEFAULT = "prcl/r50"
TILE = 1024

app = App(
    name="prcl",
    help="Split labels; label images, or rank them by what to label next.",
    help_format="plaintext",
    result_action="return_value",
)
Json = Annotated[bool, Parameter(negative="")]
Model = Annotated[str, Parameter(name=["--model", "-m"])]


@app.command
def split(
    root: Path,
    /,
    *,
    labels: Annotated[tuple[str, ...], Parameter(negative="")],
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    source: Annotated[Path | None, Parameter(name="--list")] = None,
    validation: str = "0",
    palette: str | None = None,
    seed: int = 0,
    json: Json = False,
) -> None:
    """Choose the images that keep their labels, so that every class is among them.

    Writes labeled.txt, unlabeled.txt and, with --validation, val.txt: an image and its mask a line, relative to the
    folder; and split.json, which says what is in them. The same seed gives the same files, and fewer labels are among
    the more labels of the same seed.

    Args:
        root: a folder with images and masks; or with --list a folder of VOC, of Cityscapes or of one's own.
        labels: how many images keep their labels: a count such as 40, or a share such as 1/16, 0.05 or 5%. May be given
            several times; then each gets a folder in OUT, named by its count.
        out: a new folder for the lists.
        source: the images to split, an id or an image and its mask a line.
        validation: how many to set aside first, for choosing the best weights; a count or a share of all.
        palette: the palette that masks in colour are drawn in: isprs, loveda, voc, cityscapes or landsat.
        seed: of the draw.
        json: print what split.json says.
    """
    from vitrail_prcl.data.folders import labelled_folder
    from vitrail_prcl.data.lists import open_list
    from vitrail_prcl.data.split_files import write_splits
    from vitrail_segmentation.palettes import get_palette

    colours = None if palette is None else get_palette(palette)
    if source is None:
        pictures = labelled_folder(root, palette=colours)
    else:
        pictures = open_list(root, source, palette=colours)
    records = write_splits(
        pictures,
        root,
        out,
        labels,
        validation=validation,
        seed=seed,
        track=lambda numbers: output.track(numbers, "reading masks"),
    )
    if json:
        output.print_json(records if len(records) > 1 else records[0])
        return
    for record in records:
        _show(record, out if len(records) == 1 else out / str(record["images"]["labelled"]))


@app.command
def pseudo(
    source: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    model: Model = DEFAULT,
    weights: Path | None = None,
    root: Path | None = None,
    threshold: float = 0.0,
    tile: int = TILE,
    device: str | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> None:
    """Label images that nobody has labelled, and say how sure each pixel is.

    Writes masks/NAME.png, class numbers with 255 where it is not sure; maps/NAME.tif, confidence and uncertainty; and
    pseudo.txt, for `vitrail train prcl --labeled OUT/pseudo.txt --data.root SOURCE`.

    Args:
        source: a folder of pictures, at any depth; or with --root a list of them.
        out: a new folder.
        model: a variant of PRCL.
        weights: a folder with weights; those of the package by default.
        root: the folder that a list is about.
        threshold: pixels that are less sure than this, from 0 to 1, get no label.
        tile: larger images are looked at in overlapping tiles of this side.
        device: cpu, cuda, cuda:1, mps.
        resume: go on in a folder that an earlier run has begun.
        json: print the result as JSON.
    """
    from vitrail_prcl.pseudo import write_pseudo_labels

    segmenter, pictures = _open(model, weights, device, source, root)
    result = write_pseudo_labels(
        segmenter,
        pictures,
        root or source,
        out,
        threshold=threshold,
        tile=tile,
        resume=resume,
        track=lambda numbers: output.track(numbers, "labelling"),
    )
    if json:
        output.print_json(asdict(result))
    _tell_skipped(result.skipped)
    output.say(
        f"Labelled {result.images:,} images in {out}; {100 * result.kept:.1f} % of the new pixels have a label."
    )


@app.command
def rank(
    source: Path,
    /,
    *,
    model: Model = DEFAULT,
    weights: Path | None = None,
    root: Path | None = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    picture: Path | None = None,
    by: Literal["confidence", "uncertainty"] = "confidence",
    top: int = 20,
    tile: int = TILE,
    device: str | None = None,
    json: Json = False,
) -> None:
    """Order images by how sure the network is of them: the first are those to label next.

    Args:
        source: a folder of pictures, at any depth; or with --root a list of them.
        model: a variant of PRCL.
        weights: a folder with weights; those of the package by default.
        root: the folder that a list is about.
        out: write all of them to this CSV file.
        picture: draw the first four, with the doubt about each pixel, to this PNG file.
        by: confidence in the class, which finds errors best in what was tried; or uncertainty of the representation.
        top: how many to print.
        tile: larger images are looked at in overlapping tiles of this side.
        device: cpu, cuda, cuda:1, mps.
        json: print all of them as JSON.
    """
    from vitrail_prcl.ranking import draw_ranking, rank_images

    segmenter, pictures = _open(model, weights, device, source, root)
    ranking = rank_images(
        segmenter, pictures, by=by, tile=tile, track=lambda numbers: output.track(numbers, "looking")
    )
    if json:
        output.print_json([asdict(row) for row in ranking.images])
    else:
        rows = [
            (
                number,
                row.image,
                f"{row.uncertainty:.4f}",
                f"{row.confidence:.3f}",
                f"{100 * row.unsure:.1f} %",
            )
            for number, row in enumerate(ranking.images[:top], start=1)
        ]
        columns = ("", "image", "uncertainty", "confidence", "unsure pixels")
        output.print_table(columns, rows, title=f"{len(ranking.images):,} images, what to label next first")
    _tell_skipped(ranking.skipped)
    if out is not None:
        output.say(f"Wrote {ranking.save(out)}.")
    if picture is not None:
        output.say(f"Wrote {draw_ranking(segmenter, pictures, ranking, picture, tile=tile)}.")


def _open(
    model: str, weights: Path | None, device: str | None, source: Path, root: Path | None
) -> tuple[PRCLSegmenter, Pictures]:
    from vitrail.loading import find_component, load
    from vitrail_prcl.data.training_set import open_unlabelled
    from vitrail_prcl.segmenter import PRCLSegmenter

    pictures = open_unlabelled(str(source), str(root or ""))
    find_component(model)
    segmenter = load(model, weights=weights, device=device)
    if not isinstance(segmenter, PRCLSegmenter):
        raise UsageError(f"{model} says nothing of its uncertainty; wanted is a variant of prcl.")
    return segmenter, pictures


def _tell_skipped(skipped: dict[str, str]) -> None:
    if skipped:
        name, reason = next(iter(skipped.items()))
        output.say(f"{len(skipped)} images were left out, the first of them {name}: {reason}")


def _show(record: dict[str, Any], out: Path) -> None:
    """A table of the classes on stdout, everything else on stderr."""
    images = record["images"]
    rows = [
        (
            name,
            f"{sum(held['images'].values()):,}",
            f"{held['images']['labelled']:,}",
            f"{held['pixels']['labelled']:,}",
        )
        for name, held in record["classes"].items()
    ]
    columns = ("class", "images", "labelled images", "labelled pixels")
    output.print_table(columns, rows, title=f"{images['labelled']} labelled images, seed {record['seed']}")
    if record["missing"]:
        output.say(f"No labelled image holds {', '.join(record['missing'])}; more labels would.")
    if record["skipped"]:
        name, reason = next(iter(record["skipped"].items()))
        output.say(f"{len(record['skipped'])} images are in no list, the first of them {name}: {reason}")
    parts = ", ".join(f"{count:,} {part}" for part, count in images.items() if count)
    output.say(f"Wrote {out}: {parts} images.")
