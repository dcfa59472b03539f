"""Its references are well formed and lead nowhere."""

from __future__ import annotations

from vitrail.hookspecs import hookimpl
from vitrail.specs import ComponentSpec


@hookimpl
def vitrail_components():
    return [
        ComponentSpec(id="ghost/nowhere", kind="segmenter", target="vitrail_ghost_code:One", summary="one"),
        ComponentSpec(id="ghost/nameless", kind="segmenter", target="vitrail_ghost:One", summary="one"),
    ]


@hookimpl
def vitrail_commands():
    return {"haunt": ("vitrail_ghost_code:haunt", "Haunt.")}
