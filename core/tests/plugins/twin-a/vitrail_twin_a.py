"""One of two distributions that give the id twin/one."""

from __future__ import annotations

from vitrail.hookspecs import hookimpl
from vitrail.specs import ComponentSpec


@hookimpl
def vitrail_components():
    return [ComponentSpec(id="twin/one", kind="segmenter", target="vitrail_twin_a:One", summary="one")]
