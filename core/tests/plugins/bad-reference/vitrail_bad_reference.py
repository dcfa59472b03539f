"""Its strings are not references of the form module:name."""

from __future__ import annotations

from vitrail.hookspecs import hookimpl
from vitrail.specs import ComponentSpec


@hookimpl
def vitrail_components():
    return [
        ComponentSpec(
            id="bad-reference/one",
            kind="segmenter",
            target="vitrail_bad_reference.One",
            trainer="train this",
            summary="one",
        )
    ]
