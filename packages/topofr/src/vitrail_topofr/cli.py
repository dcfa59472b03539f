"""`vitrail topofr ...`: the verbs that only this method has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

app = App(name="topofr", help="Look at the topology of embeddings.", help_format="plaintext")


@app.command
def diagram(
    embeddings: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("diagram.png"),
    model: str = "",
    weights: str | None = None,
    sample: int = 0,
    loops: bool = True,
    title: str = "",
) -> None:
    """Draw the persistence diagram and the barcode of a set of embeddings.

    Each bar is a component of the set and ends at the distance at which it merges with another one; TopoFR
    trains the lengths of these bars to be those of the images.

    Args:
        embeddings: a .npy file (n, D), a folder of such files, or a folder of aligned face crops.
        out: the picture to write: .png, .pdf or .svg.
        model: the recognizer that embeds the crops of a folder.
        weights: a folder with its weights, or "random"; those of its package by default.
        sample: take at most so many, at random; 0 for all.
        loops: also look for loops (H1), which takes longer.
        title: written above the picture; by default the name of what was read.
    """
    from vitrail.cli.output import say
    from vitrail_topofr.diagram import check_format, draw, read_embeddings, topology

    check_format(out)
    vectors = read_embeddings(embeddings, model=model, weights=weights, sample=sample)
    found = topology(vectors, loops=loops)
    draw(
        found,
        out,
        title=title or f"{embeddings.name}: {found.count} embeddings of {vectors.shape[1]} numbers",
    )
    longest = ", ".join(f"{death:.3g}" for death in found.deaths[:-4:-1])
    say(f"Wrote {out}: {found.count} embeddings, {len(found.loops)} loops; the last merges are at {longest}.")
