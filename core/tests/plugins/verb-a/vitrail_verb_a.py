"""One of two distributions that give the verb paint."""

from __future__ import annotations

from vitrail.hookspecs import hookimpl


@hookimpl
def vitrail_commands():
    return {"paint": ("vitrail_verb_a:paint", "Paint.")}


def paint() -> None:
    print("painted")
