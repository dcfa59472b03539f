"""`vitrail embed PHOTO... -o OUT.npy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from vitrail.cli import output
from vitrail.errors import InputError, NotInstalledError, UsageError
from vitrail_recognition.cli.using import (
    FACES,
    USUAL,
    Switch,
    Using,
    make_app,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vitrail.interfaces import Recognizer
    from vitrail_recognition.faces import AlignedFace, FaceFinder

BATCH = 32

app = make_app(
    "embed",
    "embed PHOTO... -o OUT.npy [FLAGS]",
    "OUT.npy holds one unit vector a row, in the order of the table that is printed. " + FACES,
)


@app.default
def embed(
    photos: Annotated[list[Path], Parameter(name="PHOTO", negative="")],
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    using: Using = USUAL,
    all_faces: Switch = False,
    json: Switch = False,
) -> None:
    """Turn the faces in photographs into vectors.

    Args:
        photos: JPEG, PNG, WebP, TIFF, HEIC. One or several.
        out: .npy file for the vectors; without it the JSON has them.
        all_faces: every face of a photograph, not only the largest.
        json: print the result as JSON.
    """
    from vitrail.results import Embeddings

    if out is not None and out.suffix != ".npy":
        raise UsageError(f"--out is {out}; wanted is a name that ends in .npy.")
    if out is None and not json:
        raise UsageError("Nothing was asked for: give -o OUT.npy for the vectors, or --json to print them.")
    recognizer = using.recognizer()
    finder = using.finder(recognizer)
    finder.load()
    rows, crops, failed = [], [], 0
    for path in photos:
        try:
            faces = _faces_of(path, finder, all_faces)
        except (InputError, NotInstalledError) as error:  # the latter for a HEIC picture without its reader
            if len(photos) == 1:
                raise
            output.error(str(error))
            failed += 1
            continue
        for number, face in faces:
            rows.append({"photo": str(path), "face": number, **_numbers(face)})
            crops.append(face.crop)
    if crops:
        vectors = _embed(recognizer, crops)
        if out is not None:
            Embeddings(vectors=vectors).save(out)
        _print_embeddings(rows, vectors, out, recognizer, json)
    if failed:
        raise InputError(f"{failed} of {len(photos)} photographs could not be used.")


def _faces_of(path: Path, finder: FaceFinder, all_faces: bool) -> list[tuple[int, AlignedFace]]:
    """(number, face) of the faces that are wanted; says what a person should know about the choice."""
    from vitrail_recognition.photo import open_photo

    pixels = open_photo(path)
    found = finder(pixels)
    taken, notes = finder.take(found, pixels, str(path), 1 if all_faces and found else None)
    for note in notes:
        output.say(note)
    return [(i + 1, face) for i, face in enumerate(found)] if all_faces else [(taken + 1, found[taken])]


def _embed(recognizer: Recognizer, crops: list[NDArray[Any]]) -> NDArray[Any]:
    import numpy as np

    parts = [recognizer.embed(crops[i : i + BATCH]).vectors for i in range(0, len(crops), BATCH)]
    return np.concatenate(parts)


def _print_embeddings(
    rows: list[dict[str, Any]], vectors: NDArray[Any], out: Path | None, recognizer: Recognizer, json: bool
) -> None:
    if json:
        if out is None:
            rows = [{**row, "vector": vector.tolist()} for row, vector in zip(rows, vectors)]
        record = {"recognizer": recognizer.spec.id, "dimension": int(vectors.shape[1]), "faces": rows}
        output.print_json(record)
        return
    table = [
        (
            str(i),
            row["photo"],
            str(row["face"]),
            ", ".join(f"{v:.0f}" for v in row["box"]),
            f"{row['score']:.3f}",
        )
        for i, row in enumerate(rows)
    ]
    output.print_table(("row", "photograph", "face", "box", "score"), table, title=recognizer.spec.id)
    output.say(f"Wrote {out}: {vectors.shape[0]} vectors of {vectors.shape[1]}.")


def _numbers(face: AlignedFace) -> dict[str, Any]:
    from vitrail_recognition.compare import face_as_dict

    return face_as_dict(face)
