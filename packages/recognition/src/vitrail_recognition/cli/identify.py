"""`vitrail identify PHOTO --gallery GALLERY`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
)

if TYPE_CHECKING:
    from vitrail_recognition.identify import Identification

app = make_app("identify", "identify PHOTO --gallery GALLERY [FLAGS]", FACES)


@app.default
def identify(
    photo: Annotated[Path, Parameter(name="PHOTO")],
    /,
    *,
    gallery: Annotated[Path, Parameter(name=["--gallery", "-g"])],
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    picture: Picture = True,
    top: int = 5,
    using: Using = USUAL,
    calibration: Path | None = None,
    far: float | None = None,
    json: Switch = False,
) -> None:
    """Say who in a gallery is most like each face in a photograph.

    Args:
        photo: a photograph with one face or several.
        gallery: a file that `vitrail gallery build` wrote.
        out: the photograph with the names drawn beside it. [default: identification.png; none with --json]
        picture: draw it; --no-picture leaves it out.
        top: how many people for each face.
        calibration: a file that `vitrail eval` wrote; says which matches are alike enough.
        far: one of its false-accept rates. [default: 0.001, or the nearest above it]
        json: print the result as JSON.
    """
    from vitrail_recognition.gallery import read_gallery
    from vitrail_recognition.identify import identify as identify_faces
    from vitrail_recognition.photo import open_photo

    target = picture_path(out, "identification.png", picture and not json)
    pixels = open_photo(photo)
    calibrated = open_calibration(calibration, far)
    known = read_gallery(gallery)
    recognizer = using.recognizer(known.settings.recognizer)
    result = identify_faces(
        recognizer,
        pixels,
        known,
        name=str(photo),
        top=top,
        finder=using.finder(recognizer),
        calibration=calibrated,
        far=far,
        caveat=using.caveat(recognizer),
        where=str(gallery),
    )
    if json:
        output.print_json(result.as_dict())
    else:
        _print_matches(result)
    if target is not None:
        output.say(f"Wrote {result.save(target)}.")


def _print_matches(result: Identification) -> None:
    rows = [
        (str(number), str(rank), match.identity, f"{match.cosine:.3f}", _accepted(match.accepted), match.file)
        for number, matches in enumerate(result.matches, start=1)
        for rank, match in enumerate(matches, start=1)
    ]
    columns = ("face", "rank", "who", "cosine", "accepted", "most alike photograph")
    output.print_table(columns, rows, title=result.name)
    for line in (result.summary, *result.notes):
        output.say(line)


def _accepted(accepted: bool | None) -> str:
    return "-" if accepted is None else "yes" if accepted else "no"
