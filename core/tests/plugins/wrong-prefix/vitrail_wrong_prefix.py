"""The prefix of its id is not the name of its entry point."""

from __future__ import annotations

from vitrail.hookspecs import hookimpl
from vitrail.specs import ComponentSpec


@hookimpl
def vitrail_components():
    return [
        ComponentSpec(
            id="somebody-else/one", kind="segmenter", target="vitrail_wrong_prefix:One", summary="one"
        )
    ]
