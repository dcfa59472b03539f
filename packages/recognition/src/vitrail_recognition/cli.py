"""`vitrail embed`, `compare`, `identify` and `gallery`: any recogniser over photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from vitrail.cli import output
from vitrail.errors import InputError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vitrail.interfaces import Recognizer
    from vitrail_recognition.faces import AlignedFace, FaceFinder
    from vitrail_recognition.identify import Identification
    from vitrail_recognition.verification.calibration import Calibration

BATCH = 32
PICTURES = (".png", ".jpg", ".jpeg", ".webp")

Model = Annotated[str | None, Parameter(name=["--model", "-m"])]
Backend = Literal["mtcnn", "scrfd"]
Picture = Annotated[bool, Parameter(show_default=False)]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]
FACES = "Faces are counted from 1, the largest first."


def _app(name: str, usage: str, more: str) -> App:
    return App(
        name=name,
        usage=f"Usage: vitrail {usage}",
        help_format="plaintext",
        help_epilogue=more,
        result_action="return_value",
        version_flags=[],
    )


embed_app = _app(
    "embed",
    "embed PHOTO... -o OUT.npy [FLAGS]",
    "OUT.npy holds one unit vector a row, in the order of the table that is printed. " + FACES,
)
compare_app = _app(
    "compare",
    "compare PHOTO PHOTO [FLAGS]",
    "Weights that are a demonstration, and comparisons without calibration, get a similarity and no verdict. "
    + FACES,
)
identify_app = _app("identify", "identify PHOTO --gallery GALLERY [FLAGS]", FACES)
gallery_app = _app(
    "gallery",
    "gallery build FOLDER -o GALLERY [FLAGS] | gallery info GALLERY",
    "FOLDER/NAME/*.jpg and FOLDER/NAME.jpg are photographs of NAME.",
)


@embed_app.default
def embed(
    photos: Annotated[list[Path], Parameter(name="PHOTO", negative="")],
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    model: Model = None,
    weights: str | None = None,
    device: str | None = None,
    all_faces: Switch = False,
    aligned: Switch = False,
    detector: Backend = "mtcnn",
    detector_weights: Path | None = None,
    min_face: float | None = None,
    json: Switch = False,
) -> None:
    """Turn the faces in photographs into vectors.

    Args:
        photos: JPEG, PNG, WebP, TIFF, HEIC. One or several.
        out: .npy file for the vectors; without it the JSON has them.
        model: a recogniser as plugin/variant. [default: the first that is ready to use]
        weights: a folder with weights; those of the package by default.
        device: cpu, cuda, cuda:1, mps.
        all_faces: every face of a photograph, not only the largest.
        aligned: the photographs are aligned crops already.
        detector: mtcnn or scrfd.
        detector_weights: an ONNX file of SCRFD.
        min_face: side of the smallest face that is looked for, in pixels.
        json: print the result as JSON.
    """
    from vitrail.results import Embeddings

    if out is not None and out.suffix != ".npy":
        raise UsageError(f"--out is {out}; wanted is a name that ends in .npy.")
    if out is None and not json:
        raise UsageError("Nothing was asked for: give -o OUT.npy for the vectors, or --json to print them.")
    recognizer = _recognizer(model, weights, device)
    finder = _finder(recognizer, detector, detector_weights, min_face, aligned)
    rows, crops, failed = [], [], 0
    for path in photos:
        try:
            faces = _faces_of(path, finder, all_faces)
        except InputError as error:
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


@compare_app.default
def compare(
    first: Annotated[Path, Parameter(name="PHOTO")],
    second: Annotated[Path, Parameter(name="PHOTO2")],
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    picture: Picture = True,
    model: Model = None,
    weights: str | None = None,
    device: str | None = None,
    calibration: Path | None = None,
    far: float | None = None,
    face: int | None = None,
    face2: int | None = None,
    aligned: Switch = False,
    detector: Backend = "mtcnn",
    detector_weights: Path | None = None,
    min_face: float | None = None,
    json: Switch = False,
) -> None:
    """Say how alike the faces in two photographs are and, with a calibration, whether they are one person's.

    Args:
        first: a photograph.
        second: another.
        out: the picture of both with their similarity. [default: comparison.png; none with --json]
        picture: draw it; --no-picture leaves it out.
        model: a recogniser as plugin/variant. [default: the first that is ready to use]
        weights: a folder with weights; those of the package by default.
        device: cpu, cuda, cuda:1, mps.
        calibration: a file that `vitrail eval` wrote for this recogniser and these weights.
        far: one of its false-accept rates. [default: 0.001, or the nearest above it]
        face: number of the face in the first photograph. [default: the largest]
        face2: number of the face in the second.
        aligned: the photographs are aligned crops already.
        detector: mtcnn or scrfd.
        detector_weights: an ONNX file of SCRFD.
        min_face: side of the smallest face that is looked for, in pixels.
        json: print the result as JSON.
    """
    from vitrail_recognition.compare import compare as compare_photos
    from vitrail_recognition.photo import open_photo
    from vitrail_recognition.recognizers import weights_caveat

    target = _picture(out, "comparison.png", picture and not json)
    pixels = [open_photo(path) for path in (first, second)]
    calibrated = _calibration(calibration, far)
    recognizer = _recognizer(model, weights, device)
    result = compare_photos(
        recognizer,
        *pixels,
        names=(str(first), str(second)),
        numbers=(face, face2),
        finder=_finder(recognizer, detector, detector_weights, min_face, aligned),
        calibration=calibrated,
        far=far,
        caveat=weights_caveat(recognizer.spec, weights),
    )
    if json:
        output.print_json(result.as_dict())
    else:
        print(f"similarity {result.similarity:.3f}")
        print(f"verdict    {result.verdict or f'none: {result.why_none}'}.")
        for note in result.notes:
            output.say(note)
    _say_model(recognizer, model)
    if target is not None:
        output.say(f"Wrote {result.save(target)}.")


@identify_app.default
def identify(
    photo: Annotated[Path, Parameter(name="PHOTO")],
    /,
    *,
    gallery: Annotated[Path, Parameter(name=["--gallery", "-g"])],
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    picture: Picture = True,
    top: int = 5,
    model: Model = None,
    weights: str | None = None,
    device: str | None = None,
    calibration: Path | None = None,
    far: float | None = None,
    aligned: Switch = False,
    detector: Backend = "mtcnn",
    detector_weights: Path | None = None,
    min_face: float | None = None,
    json: Switch = False,
) -> None:
    """Say who in a gallery is most like each face in a photograph.

    Args:
        photo: a photograph with one face or several.
        gallery: a file that `vitrail gallery build` wrote.
        out: the photograph with the names drawn beside it. [default: identification.png; none with --json]
        picture: draw it; --no-picture leaves it out.
        top: how many people for each face.
        model: a recogniser as plugin/variant. [default: the one that the gallery was built with]
        weights: a folder with weights; those of the package by default.
        device: cpu, cuda, cuda:1, mps.
        calibration: a file that `vitrail eval` wrote; says which matches are alike enough.
        far: one of its false-accept rates. [default: 0.001, or the nearest above it]
        aligned: the photograph is an aligned crop already.
        detector: mtcnn or scrfd.
        detector_weights: an ONNX file of SCRFD.
        min_face: side of the smallest face that is looked for, in pixels.
        json: print the result as JSON.
    """
    from vitrail_recognition.gallery import read_gallery
    from vitrail_recognition.identify import identify as identify_faces
    from vitrail_recognition.photo import open_photo
    from vitrail_recognition.recognizers import weights_caveat

    target = _picture(out, "identification.png", picture and not json)
    pixels = open_photo(photo)
    calibrated = _calibration(calibration, far)
    known = read_gallery(gallery)
    recognizer = _recognizer(model or known.settings.recognizer, weights, device)
    result = identify_faces(
        recognizer,
        pixels,
        known,
        name=str(photo),
        top=top,
        finder=_finder(recognizer, detector, detector_weights, min_face, aligned),
        calibration=calibrated,
        far=far,
        caveat=weights_caveat(recognizer.spec, weights),
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


@gallery_app.command(name="build")
def build(
    folder: Annotated[Path, Parameter(name="FOLDER")],
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    model: Model = None,
    weights: str | None = None,
    device: str | None = None,
    aligned: Switch = False,
    detector: Backend = "mtcnn",
    detector_weights: Path | None = None,
    min_face: float | None = None,
    rehash: Switch = False,
    fresh: Switch = False,
    json: Switch = False,
) -> None:
    """Make a gallery of known people from their photographs, or bring one up to date.

    Args:
        folder: photographs, NAME/*.jpg or NAME.jpg.
        out: the gallery's file.
        model: a recogniser as plugin/variant. [default: the gallery's, or the first that is ready to use]
        weights: a folder with weights; those of the package by default.
        device: cpu, cuda, cuda:1, mps.
        aligned: the photographs are aligned crops already.
        detector: mtcnn or scrfd.
        detector_weights: an ONNX file of SCRFD.
        min_face: side of the smallest face that is looked for, in pixels.
        rehash: compare the bytes of photographs whose size and time are as they were, too.
        fresh: ignore what the file holds, and embed everything.
        json: print the result as JSON.
    """
    from vitrail_recognition.gallery import build_gallery, read_gallery

    if model is None and out.is_file() and not fresh:
        model = read_gallery(out).settings.recognizer
    recognizer = _recognizer(model, weights, device)
    with _Bar() as bar:
        made, report = build_gallery(
            recognizer,
            folder,
            out,
            finder=_finder(recognizer, detector, detector_weights, min_face, aligned),
            rehash=rehash,
            fresh=fresh,
            progress=bar,
        )
    for entry in report.problems:
        output.say(f"{entry.file} is not in the gallery: {entry.problem}")
    _say_model(recognizer, model)
    summary = {
        "gallery": str(out),
        "people": len(made.identities),
        "photographs": len(made.rows),
        "embedded": report.embedded,
        "kept": report.kept,
        "removed": report.removed,
        "problems": [{"file": entry.file, "problem": entry.problem} for entry in report.problems],
    }
    if json:
        output.print_json(summary)
        return
    print(
        f"{out}: {summary['people']:,} people in {summary['photographs']:,} photographs; {report.embedded:,} embedded "
        f"now, {report.kept:,} kept, {report.removed:,} removed."
    )


@gallery_app.command(name="info")
def info(gallery: Annotated[Path, Parameter(name="GALLERY")], /, *, json: Switch = False) -> None:
    """Say who is in a gallery and what it was built with.

    Args:
        gallery: its file.
        json: print the result as JSON, with every photograph.
    """
    from dataclasses import asdict

    from vitrail_recognition.gallery import read_gallery

    known = read_gallery(gallery)
    if json:
        entries = [asdict(entry) for entry in known.entries]
        output.print_json(
            {**asdict(known.settings), "dimension": known.vectors.shape[1], "photographs": entries}
        )
        return
    values = {
        "recogniser": known.settings.recognizer,
        "weights": f"SHA-256 {known.settings.weights_hash[:12]}...",
        "detector": known.settings.detector,
        "dimension": known.vectors.shape[1],
        "people": len(known.identities),
        "photographs": len(known.rows),
    }
    output.print_mapping(values, title=str(gallery))
    counts = dict.fromkeys(known.identities, 0)
    for row in known.rows:
        counts[known.entries[row].identity] += 1
    output.print_table(("who", "photographs"), [(name, str(count)) for name, count in counts.items()])
    for entry in known.entries:
        if entry.problem:
            output.say(f"{entry.file} has no embedding: {entry.problem}")


class _Bar:
    """Progress on stderr: a bar on a terminal, nothing elsewhere."""

    def __enter__(self) -> _Bar:
        from rich.progress import Progress

        self.bar = Progress(console=output.talk(), transient=True)
        self.task = self.bar.add_task("photographs", total=None)
        if self.bar.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, done: int, total: int) -> None:
        self.bar.update(self.task, completed=done, total=total)


def _recognizer(model: str | None, weights: str | None, device: str | None) -> Recognizer:
    from vitrail_recognition.recognizers import load_recognizer

    return load_recognizer(model, weights=weights, device=device)


def _finder(
    recognizer: Recognizer, detector: str, weights: Path | None, min_face: float | None, aligned: bool
) -> FaceFinder:
    from vitrail_recognition.faces import FaceFinder

    device = recognizer.device if recognizer.device.startswith("cuda") else "cpu"
    return FaceFinder.for_recognizer(
        recognizer, backend=detector, weights=weights, min_size=min_face, device=device, aligned=aligned
    )


def _calibration(path: Path | None, far: float | None) -> Calibration | None:
    if path is None:
        if far is not None:
            raise UsageError("--far chooses a rate of a calibration; give its file with --calibration.")
        return None
    from vitrail_recognition.verification.calibration import read_calibration

    calibration = read_calibration(path)
    if far is not None:
        calibration.at(far)
    return calibration


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


def _say_model(recognizer: Recognizer, asked: str | None) -> None:
    if asked is None:
        output.say(f"The recogniser is {recognizer.spec.id}; --model takes another.")


def _accepted(accepted: bool | None) -> str:
    return "-" if accepted is None else "yes" if accepted else "no"


def _picture(out: Path | None, by_itself: str, wanted: bool) -> Path | None:
    """Where to draw to, or None. UsageError for an ending that is no picture's, before any work is done."""
    if out is None:
        return Path(by_itself) if wanted else None
    if out.suffix.lower() not in PICTURES:
        raise UsageError(f"--out is {out}; wanted is a name that ends in {' or '.join(PICTURES)}.")
    return out
