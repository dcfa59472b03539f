"""Written for a contract of the future."""

from __future__ import annotations

from vitrail.hookspecs import hookimpl
from vitrail.specs import ComponentSpec


@hookimpl
def vitrail_components():
    return [
        ComponentSpec(
            id="api-major/one", kind="segmenter", target="vitrail_api_major:One", summary="one", api="2.0"
        )
    ]
