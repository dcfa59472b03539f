"""Its hook raises."""

from __future__ import annotations

from vitrail.hookspecs import hookimpl


@hookimpl
def vitrail_components():
    raise RuntimeError("the moon is in the wrong place")
