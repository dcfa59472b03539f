"""`vitrail gallery build|info`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vitrail.cli import output
from vitrail_recognition.cli.using import (
    USUAL,
    Switch,
    Using,
    make_app,
    say_model,
)

app = make_app(
    "gallery",
    "gallery build FOLDER -o GALLERY [FLAGS] | gallery info GALLERY",
    "FOLDER/NAME/*.jpg and FOLDER/NAME.jpg are photographs of NAME.",
)


@app.command(name="build")
def build(
    folder: Annotated[Path, Parameter(name="FOLDER")],
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    using: Using = USUAL,
    rehash: Switch = False,
    fresh: Switch = False,
    json: Switch = False,
) -> None:
    """Make a gallery of known people from their photographs, or bring one up to date.

    Args:
        folder: photographs, NAME/*.jpg or NAME.jpg.
        out: the gallery's file.
        rehash: compare the bytes of photographs whose size and time are as they were, too.
        fresh: ignore what the file holds, and embed everything.
        json: print the result as JSON.
    """
    from vitrail_recognition.gallery import read_gallery
    from vitrail_recognition.gallery_build import build_gallery

    made_with = (
        read_gallery(out).settings.recognizer if out.is_file() and not fresh and not using.model else None
    )
    recognizer = using.recognizer(made_with)
    with _Bar() as bar:
        made, report = build_gallery(
            recognizer,
            folder,
            out,
            finder=using.finder(recognizer),
            rehash=rehash,
            fresh=fresh,
            progress=bar,
        )
    for entry in report.problems:
        output.say(f"{entry.file} is not in the gallery: {entry.problem}")
    say_model(recognizer, using.model or made_with)
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


@app.command(name="info")
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
