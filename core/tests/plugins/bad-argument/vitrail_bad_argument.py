"""Its hook wants an argument that the contract does not have."""

from __future__ import annotations

from vitrail.hookspecs import hookimpl


@hookimpl
def vitrail_components(registry):
    return []
