"""It answers with dictionaries where ComponentSpec objects are wanted."""

from __future__ import annotations

from vitrail.hookspecs import hookimpl


@hookimpl
def vitrail_components():
    return [{"id": "wrong-answer/one", "kind": "segmenter"}]
