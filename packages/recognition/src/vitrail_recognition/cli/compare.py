"""`vitrail compare PHOTO PHOTO`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vitrail.cli import output
from vitrail_recognition.cli.using import (
    FACES,
    USUAL,
    Picture,
    Switch,
    Using,
    make_app,
    open_calibration,
    picture_path,
    say_model,
)

app = make_app(
    "compare",
    "compare PHOTO PHOTO [FLAGS]",
    "Weights that are a demonstration, and comparisons without calibration, get a similarity and no verdict. "
    + FACES,
)


@app.default
def compare(
    first: Annotated[Path, Parameter(name="PHOTO")],
    second: Annotated[Path, Parameter(name="PHOTO2")],
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    picture: Picture = True,
    using: Using = USUAL,
    calibration: Path | None = None,
    far: float | None = None,
    face: int | None = None,
    face2: int | None = None,
    json: Switch = False,
) -> None:
    """Say how alike the faces in two photographs are and, with a calibration, whether they are one person's.

    Args:
        first: a photograph.
        second: another.
        out: the picture of both with their similarity. [default: comparison.png; none with --json]
        picture: draw it; --no-picture leaves it out.
        calibration: a file that `vitrail eval` wrote for this recogniser and these weights.
        far: one of its false-accept rates. [default: 0.001, or the nearest above it]
        face: number of the face in the first photograph. [default: the largest]
        face2: number of the face in the second.
        json: print the result as JSON.
    """
    from vitrail_recognition.compare import compare as compare_photos
    from vitrail_recognition.photo import open_photo

    target = picture_path(out, "comparison.png", picture and not json)
    pixels = [open_photo(path) for path in (first, second)]
    calibrated = open_calibration(calibration, far)
    recognizer = using.recognizer()
    result = compare_photos(
        recognizer,
        *pixels,
        names=(str(first), str(second)),
        numbers=(face, face2),
        finder=using.finder(recognizer),
        calibration=calibrated,
        far=far,
        caveat=using.caveat(recognizer),
    )
    if json:
        output.print_json(result.as_dict())
    else:
        print(f"similarity {result.similarity:.3f}")
        print(f"verdict    {result.verdict or f'none: {result.why_none}'}.")
        for note in result.notes:
            output.say(note)
    say_model(recognizer, using.model)
    if target is not None:
        output.say(f"Wrote {result.save(target)}.")
