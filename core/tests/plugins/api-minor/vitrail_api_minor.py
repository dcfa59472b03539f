"""Written for a minor version of the contract that is not there yet."""

from __future__ import annotations

from vitrail.hookspecs import hookimpl
from vitrail.specs import ComponentSpec


@hookimpl
def vitrail_components():
    return [
        ComponentSpec(
            id="api-minor/one", kind="segmenter", target="vitrail_api_minor:One", summary="one", api="1.9"
        )
    ]
